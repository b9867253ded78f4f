#include "sources/upstream/names.h"

#include <fmt/core.h>

#include <algorithm>

#include "net/discover.h"
#include "sources/upstream/kept_join_strings.h"
#include "spec/options.h"
#include "spec/type_table.h"
#include "wire/http_api.h"

namespace qanat::sources {
namespace {

std::string text_without_query(const std::string& text) { return text.substr(0, text.find('?')); }

std::optional<crypto::Pin> parse_pin(const spec::Spec& spec) {
  const auto text = spec.option("pin");
  if (!text) return std::nullopt;
  const auto bytes = from_hex(*text);
  crypto::Pin pin{};
  if (!bytes || bytes->size() != pin.size()) {
    throw Failure(fmt::format("{}: pin= is not 64 hex digits; the hub's status shows its pin",
                              text_without_query(spec.text)));
  }
  std::copy(bytes->begin(), bytes->end(), pin.begin());
  return pin;
}

bool pollen_of(const spec::Spec& spec) { return spec::yes_or_no(spec, "pollen", false); }

// `seeds`: for this machine alone.
bool credit_of_upstream(const std::string& text, bool seeds) {
  if (wire::looks_like_join_string(text)) return true;
  const spec::Spec spec = spec::require_spec(text);
  // Nobody vouches for what comes over plain http, but a local socket's neighbour. And what a
  // pollen server's DRBG gives seeds a kernel, and is no full entropy for others.
  const auto address = spec::parse_address(spec.target, wire::http_port);
  const bool safe = spec.type == "https" || (address && spec::is_loopback(address->host));
  return spec::yes_or_no(spec, "credit", safe && (seeds || !pollen_of(spec)));
}

}  // namespace

bool is_upstream(const std::string& text) {
  return wire::looks_like_join_string(text) || text.starts_with("https:") ||
         text.starts_with("http:");
}

peers::Endpoint parse_upstream(const std::string& text) {
  if (wire::looks_like_join_string(text)) {
    auto join = decode_join_string(text);
    if (!join) throw Failure(join.error().message);
    return peers::endpoint_of(std::move(*join));
  }
  if (!is_upstream(text)) {
    if (holds_kept(text)) throw Failure(why_not_alone(text));
    throw Failure(fmt::format(
        "'{}' is not an upstream: write a join string (from 'qanat invite' at the hub), @FILE that "
        "holds one, or https://HOST:PORT",
        wire::without_secrets(text)));
  }
  const spec::Spec spec = spec::require_spec(text);
  spec::check_options(spec, {"credit pin ca cert key pollen"});
  auto address =
      spec::parse_address(spec.target, spec.type == "https" ? wire::https_port : wire::http_port);
  if (!address) {
    throw Failure(fmt::format("{}: {}", text_without_query(text), address.error().message));
  }
  peers::Endpoint endpoint;
  endpoint.address = *address;
  endpoint.tls = spec.type == "https";
  endpoint.trust = {.pin = parse_pin(spec),
                    .ca = spec.option("ca"),
                    .certificate = spec.option("cert"),
                    .key = spec.option("key")};
  endpoint.pollen = pollen_of(spec);
  return endpoint;
}

std::string upstream_name(const std::string& text) {
  const peers::Endpoint endpoint = parse_upstream(text);
  return endpoint.client_name.empty()
             ? endpoint.text()
             : fmt::format("{} as {}", endpoint.text(), endpoint.client_name);
}

std::unique_ptr<RunningSource> make_upstream(const std::vector<std::string>& texts,
                                             UpstreamSettings settings,
                                             const SourceServices& services) {
  std::vector<peers::Endpoint> endpoints;
  std::string name;
  for (const std::string& text : texts) {
    endpoints.push_back(parse_upstream(text));
    name += (name.empty() ? "" : ", ") + upstream_name(text);
    settings.credit = settings.credit && credit_of_upstream(text, services.seeds);
  }
  if (settings.quorum > 1) name = fmt::format("{} of {}", settings.quorum, name);
  return std::make_unique<Upstream>(name, std::move(endpoints), settings, services);
}

namespace {

// The files by which it is known, and by which we are.
void look_at_trust(const peers::Endpoint& endpoint, spec::Obstacles& found) {
  if (!endpoint.tls) return;
  try {
    (void)net::make_client_context(endpoint.trust);
  } catch (const net::TlsFailure& problem) {
    found.push_back({fmt::format("{}: {}", endpoint.text(), problem.what()), problem.part()});
  }
}

}  // namespace

SourcePlan plan_upstream(const std::string& text) {
  const bool credit = credit_of_upstream(text, false);
  const bool pollen = parse_upstream(text).pollen;
  return {
      .name = upstream_name(text),
      .claim = {8, credit},
      .note = pollen   ? "pollen: a seed of its DRBG each time"
              : credit ? ""
                       : "unauthenticated: mixed in, credited 0",
      .run = [text](const SourceServices& services) { return make_upstream({text}, {}, services); },
      .look =
          [text](spec::Obstacles& found) {
            const peers::Endpoint endpoint = parse_upstream(text);
            look_at_trust(endpoint, found);
            const std::string& host = endpoint.address.host;
            if (!spec::is_service_name(host)) return;
            if (const auto possible = net::can_discover(host); !possible) {
              found.push_back({fmt::format("{}: {}", endpoint.text(), possible.error().message)});
            }
          }};
}

}  // namespace qanat::sources
