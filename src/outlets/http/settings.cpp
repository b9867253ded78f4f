#include "outlets/http/settings.h"

#include <fmt/core.h>

#include <cctype>

#include "serve/options.h"
#include "spec/options.h"
#include "wire/http_api.h"

namespace qanat::outlets {

using spec::Spec;

namespace {

// "host=hub,hub.lan": names that a Host field may have, beside addresses and localhost.
std::vector<std::string> host_names(const Spec& spec) {
  std::vector<std::string> names;
  const auto text = spec.option("host");
  if (!text) return names;
  for (std::string_view rest = *text;;) {
    std::string name(rest.substr(0, rest.find(',')));
    rest.remove_prefix(name.size());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (name.empty() ||
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_") != std::string::npos) {
      throw Failure(fmt::format(
          "{}: host={} is not a list of names; write it like host=hub,hub.lan", spec.text, *text));
    }
    names.push_back(std::move(name));
    if (rest.empty()) return names;
    rest.remove_prefix(1);
  }
}

}  // namespace

HttpSettings read_http_settings(const Spec& spec, const OutletDefaults& defaults) {
  HttpSettings settings;
  settings.name = spec.text;
  settings.tls = spec.type == "https";
  settings.limits = defaults.limits;
  serve::share_out(settings.limits, spec, settings.limits.peer_connections);
  settings.pollen_grade = spec::grade_of(spec, spec::Grade::full);
  settings.terms = serve::terms_of(spec);
  settings.certificate_file = spec.option("cert");
  settings.key_file = spec.option("key");
  settings.ca_file = spec.option("ca");
  settings.address = spec::require_address(spec, settings.tls ? wire::https_port : wire::http_port);
  settings.hosts = host_names(spec);
  if (!settings.tls && (settings.certificate_file || settings.key_file || settings.ca_file)) {
    throw Failure(fmt::format("{}: cert=, key= and ca= belong to https", spec.text));
  }
  const bool loopback = spec::is_loopback(settings.address.host);
  const std::string access = spec.option("access").value_or(settings.ca_file ? "ca"
                                                            : loopback       ? "open"
                                                                             : "join");
  if (access == "open") {
    settings.access = Access::open;
  } else if (access == "join") {
    settings.access = Access::join;
  } else if (access == "ca") {
    settings.access = Access::ca;
  } else {
    throw Failure(fmt::format("{}: access={} is not one of open, join, ca", spec.text, access));
  }
  if (!settings.tls && settings.access != Access::open) {
    if (spec.option("access")) {
      throw Failure(fmt::format("{}: access={}: plain http cannot tell who draws; use https://",
                                spec.text, access));
    }
    throw Failure(fmt::format(
        "{}: plain http cannot tell who draws, and {} is beyond loopback; use https://, or write "
        "access=open if everybody who reaches it may draw",
        spec.text, settings.address.text()));
  }
  if (settings.access == Access::ca && !settings.ca_file) {
    throw Failure(fmt::format("{}: access=ca needs ca=FILE", spec.text));
  }
  return settings;
}

std::string note_of(const HttpSettings& settings) {
  return settings.access == Access::open ? "whoever reaches it may draw"
         : settings.access == Access::join
             ? "who has a join string may draw"
             : "who has a certificate of " + *settings.ca_file + " may draw";
}

}  // namespace qanat::outlets
