#include "wire/http_api.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/bytes.h"
#include "base/quantity.h"
#include "base/shown.h"
#include "spec/spec.h"

namespace qanat::wire {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;
template <typename T>
using Parsed = tl::expected<T, Refusal>;

// Pollen's form may have fields of others.
constexpr std::size_t most_fields = 16;
constexpr std::string_view allow_get = "GET, HEAD";
constexpr std::string_view allow_post = "POST";
constexpr std::string_view allow_root = "GET, HEAD, POST";

tl::unexpected<Refusal> refuse(unsigned status, std::string error, std::string hint) {
  return tl::unexpected(Refusal{status, std::move(error), std::move(hint)});
}

tl::unexpected<Refusal> wrong_method(std::string_view allow) {
  return tl::unexpected(Refusal{405, "method not allowed", fmt::format("use {}", allow), 0, allow});
}

Parsed<Fields> parse_form(std::string_view text) {
  Fields fields;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto key = spec::percent_decode(pair.substr(0, equals), true);
    auto value = spec::percent_decode(
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!key || !value)
      return refuse(400, "malformed query", "a % must be followed by two hex digits");
    const auto same = [&](const auto& field) { return field.first == *key; };
    if (std::any_of(fields.begin(), fields.end(), same)) {
      // Which of two was meant, nobody can say.
      return refuse(400, fmt::format("parameter '{}' is there twice", shown(*key)), "name it once");
    }
    // A form of 8 KiB has room for thousands, and no page takes more than four.
    if (fields.size() == most_fields) return refuse(400, "too many parameters", "see GET /");
    fields.emplace_back(std::move(*key), std::move(*value));
  }
  return fields;
}

tl::unexpected<Refusal> unknown_field(std::string_view key, std::string_view known) {
  return refuse(400, fmt::format("unknown parameter '{}'", shown(key)),
                fmt::format("known: {}", known));
}

tl::unexpected<Refusal> bad_grade(std::string_view value) {
  return refuse(400, fmt::format("unknown grade '{}'", shown(value)), "grade is full or drbg");
}

Parsed<ApiRequest> parse_random(const Fields& fields, const ApiLimits& limits) {
  constexpr auto max_wait = std::chrono::minutes(10);
  RandomRequest request;
  for (const auto& [key, value] : fields) {
    if (key == "bytes") {
      const auto bytes = parse_size(value);
      if (!bytes || *bytes == 0) {
        return refuse(400, fmt::format("bytes={} is not a size", shown(value)),
                      "a whole number above 0, such as bytes=64 or bytes=4KiB");
      }
      request.bytes = *bytes;
    } else if (key == "grade") {
      const auto grade = spec::parse_grade(value);
      if (!grade) return bad_grade(value);
      request.grade = *grade;
    } else if (key == "format") {
      const auto format = parse_format(value);
      if (!format) {
        return refuse(400, fmt::format("unknown format '{}'", shown(value)),
                      "format is raw, hex, base64 or json");
      }
      request.format = *format;
    } else if (key == "wait") {
      const auto wait = parse_duration(value);
      if (!wait || *wait > max_wait) {
        return refuse(400, fmt::format("wait={} is not a waiting time", shown(value)),
                      "0 to 10m, such as wait=500ms");
      }
      request.wait = *wait;
    } else {
      return unknown_field(key, "bytes, grade, format, wait");
    }
  }
  const std::uint64_t limit =
      request.grade == spec::Grade::full ? limits.full_bytes : limits.drbg_bytes;
  if (request.bytes > limit) {
    return refuse(413,
                  fmt::format("{} bytes at once are too many at grade {}", request.bytes,
                              to_string(request.grade)),
                  fmt::format("at most {} a request; ask again, or use /v1/stream", limit));
  }
  return request;
}

Parsed<ApiRequest> parse_stream(const Fields& fields) {
  StreamRequest request;
  for (const auto& [key, value] : fields) {
    if (key == "rate") {
      const auto rate = parse_rate(value);
      if (!rate || *rate == 0) {
        return refuse(400, fmt::format("rate={} is not a rate", shown(value)),
                      "bytes per second above 0, such as rate=1KiB/s");
      }
      request.rate = *rate;
    } else if (key == "grade") {
      const auto grade = spec::parse_grade(value);
      if (!grade) return bad_grade(value);
      request.grade = *grade;
    } else {
      return unknown_field(key, "grade, rate");
    }
  }
  return request;
}

Parsed<ApiRequest> parse_pollen(std::string_view body) {
  const auto fields = parse_form(body);
  if (!fields) return tl::unexpected(fields.error());
  for (const auto& [key, value] : *fields) {
    if (key == "challenge" && !value.empty()) return PollenRequest{value};
  }
  return refuse(400, "no challenge",
                "POST / answers pollinate: send the form field challenge=TEXT");
}

struct Route {
  std::string_view path;
  Page page;
};
constexpr std::array pages{Route{"/", Page::index}, Route{"/v1/status", Page::status},
                           Route{"/healthz", Page::health}, Route{"/readyz", Page::ready}};

// Of a page with one parameter, yes or no: no where it is left out.
Parsed<bool> only_flag(const Fields& fields, std::string_view name) {
  bool flag = false;
  for (const auto& [key, value] : fields) {
    if (key != name) return unknown_field(key, name);
    if (value != "yes" && value != "no") {
      return refuse(400, fmt::format("{}={} is neither yes nor no", key, shown(value)),
                    fmt::format("write {}=yes", key));
    }
    flag = value == "yes";
  }
  return flag;
}

Parsed<ApiRequest> parse_metrics(const Fields& fields) {
  return only_flag(fields, "clients").map([](bool clients) -> ApiRequest {
    return MetricsRequest{clients};
  });
}

Parsed<ApiRequest> parse_events(const Fields& fields) {
  return only_flag(fields, "status").map([](bool status) -> ApiRequest {
    return EventsRequest{status};
  });
}

Parsed<ApiRequest> parse_history(const Fields& fields) {
  HistoryRequest request;
  for (const auto& [key, value] : fields) {
    if (key != "span") return unknown_field(key, "span");
    if (value != "10m" && value != "2h" && value != "24h") {
      return refuse(400, fmt::format("span={} is not one of those kept", shown(value)),
                    "span is 10m, 2h or 24h");
    }
    request.span = value;
  }
  return request;
}

// Pages that are read, with the parameters that they take.
struct Query {
  std::string_view path;
  Parsed<ApiRequest> (*parse)(const Fields& fields);
};
constexpr std::array queries{Query{"/v1/stream", parse_stream}, Query{"/metrics", parse_metrics},
                             Query{"/v1/events", parse_events},
                             Query{"/v1/history", parse_history}};

}  // namespace

std::string_view to_string(Format format) {
  switch (format) {
    case Format::raw:
      return "raw";
    case Format::hex:
      return "hex";
    case Format::base64:
      return "base64";
    case Format::json:
      return "json";
  }
  return "raw";
}

std::optional<Format> parse_format(std::string_view text) {
  for (const Format format : {Format::raw, Format::hex, Format::base64, Format::json}) {
    if (text == to_string(format)) return format;
  }
  return std::nullopt;
}

std::string refusal_json(std::string_view error, std::string_view hint) {
  const auto quoted = [](std::string_view text) {
    std::string out = "\"";
    for (const char c : shown(text, std::string_view::npos)) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    return out + "\"";
  };
  return fmt::format("{{\"error\": {}, \"hint\": {}}}\n", quoted(error), quoted(hint));
}

std::string encode(const RandomRequest& request) {
  const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(request.wait);
  return fmt::format("/v1/random?bytes={}&grade={}&format={}&wait={}ms", request.bytes,
                     to_string(request.grade), to_string(request.format), wait.count());
}

std::string body_head(const RandomRequest& request) {
  if (request.format != Format::json) return "";
  return fmt::format(R"({{"bytes": {}, "grade": "{}", "data": ")", request.bytes,
                     to_string(request.grade));
}

std::string_view body_tail(const RandomRequest& request) {
  return request.format == Format::raw ? "" : request.format == Format::json ? "\"}\n" : "\n";
}

std::uint64_t body_size(const RandomRequest& request) {
  const std::uint64_t text = request.format == Format::raw   ? request.bytes
                             : request.format == Format::hex ? 2 * request.bytes
                                                             : base64_size(request.bytes);
  return body_head(request).size() + text + body_tail(request).size();
}

namespace {

// The elements of a list (RFC 9110, 5.6.1), without their parameters but q; calls
// `each(name, q)`, names in lower case.
template <typename Each>
void for_each_choice(std::string_view list, const Each& each) {
  while (!list.empty()) {
    std::string_view element = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), element.size() + 1));
    std::string name;
    for (const char c : element.substr(0, element.find(';'))) {
      if (c != ' ' && c != '\t') name += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    // Of q only whether it is 0 counts here: what is not wanted at all.
    const auto q = element.find("q=0");
    const bool wanted = q == std::string_view::npos ||
                        element.substr(q + 3).find_first_of("123456789") != std::string_view::npos;
    each(name, wanted);
  }
}

}  // namespace

bool prefers_html(std::string_view accept) {
  bool html = false;
  for_each_choice(accept, [&](const std::string& name, bool wanted) {
    html = html || (wanted && (name == "text/html" || name == "application/xhtml+xml"));
  });
  return html;
}

bool takes_gzip(std::string_view accept_encoding) {
  bool gzip = false;
  for_each_choice(accept_encoding, [&](const std::string& name, bool wanted) {
    if (name == "gzip") gzip = wanted;
  });
  return gzip;
}

tl::expected<ApiRequest, Refusal> parse_api_request(std::string_view method,
                                                    std::string_view target, std::string_view body,
                                                    const ApiLimits& limits) {
  const auto mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  const auto fields =
      parse_form(mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1));
  const bool get = method == "GET" || method == "HEAD";
  const bool post = method == "POST";
  const auto* const query = std::find_if(queries.begin(), queries.end(),
                                         [&](const Query& each) { return each.path == path; });
  if (path == "/v1/random" || query != queries.end()) {
    if (!get) return wrong_method(allow_get);
    if (!fields) return tl::unexpected(fields.error());
    return path == "/v1/random" ? parse_random(*fields, limits) : query->parse(*fields);
  }
  if (path.starts_with("/assets/")) {
    if (!get) return wrong_method(allow_get);
    if (!fields) return tl::unexpected(fields.error());
    if (!fields->empty()) return unknown_field(fields->front().first, "none on this page");
    return AssetRequest{std::string(path)};
  }
  const auto* const page = std::find_if(pages.begin(), pages.end(),
                                        [&](const Route& route) { return route.path == path; });
  const bool root = path == "/";
  const bool session = path == "/v1/session";
  if (page == pages.end() && !session) {
    return refuse(404, "no such page", "see GET / for what there is");
  }
  if (session && !post) return wrong_method(allow_post);
  if (!session && !get && !(root && post)) return wrong_method(root ? allow_root : allow_get);
  if (!fields) return tl::unexpected(fields.error());
  if (!fields->empty()) return unknown_field(fields->front().first, "none on this page");
  if (session) return SessionRequest{};
  if (post) return parse_pollen(body);
  return page->page;
}

}  // namespace qanat::wire
