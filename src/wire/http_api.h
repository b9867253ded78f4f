// The HTTP API: a request line and a form in, what is asked for or a refusal out. No sockets, no
// HTTP syntax. docs/http-api.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/error.h"
#include "spec/grade.h"

namespace qanat::wire {

enum class Format { raw, hex, base64, json };
std::string_view to_string(Format format);
std::optional<Format> parse_format(std::string_view text);

// A status code and what to say with it.
struct Refusal {
  unsigned status = 400;
  std::string error;
  std::string hint;
  unsigned retry_after = 0;     // seconds; 0: no such header
  std::string_view allow = {};  // for 405: the methods that the page knows
};
// {"error": "...", "hint": "..."}, in printable ASCII.
std::string refusal_json(std::string_view error, std::string_view hint);

struct RandomRequest {
  std::uint64_t bytes = 32;
  spec::Grade grade = spec::Grade::drbg;
  Format format = Format::raw;
  Duration wait = std::chrono::seconds(10);
};
// The request's target: "/v1/random?bytes=32&...".
std::string encode(const RandomRequest& request);
// What comes before and after the text of its bytes in the body, and the size of all of it.
std::string body_head(const RandomRequest& request);
std::string_view body_tail(const RandomRequest& request);
std::uint64_t body_size(const RandomRequest& request);

inline constexpr std::uint16_t http_port = 7748;
inline constexpr std::uint16_t https_port = 7749;

// Every answer with random bytes says of which grade they are.
inline constexpr std::string_view grade_header = "Qanat-Grade";

struct StreamRequest {
  spec::Grade grade = spec::Grade::drbg;
  std::uint64_t rate = 0;  // bytes per second; 0: as fast as it goes
};
struct PollenRequest {
  std::string challenge;
};
enum class Page { index, status, health, ready };

// POST /v1/session: docs/trickle.md.
struct SessionRequest {};
struct MetricsRequest {
  bool clients = false;  // the operator's: each of them
};
struct EventsRequest {
  bool status = false;  // beside the events, what all looks like, once a second
};
struct HistoryRequest {
  std::string span = "10m";  // as the history names them
};
// A file of the dashboard, such as "/assets/index-0a1b.js".
struct AssetRequest {
  std::string path;
};

using ApiRequest = std::variant<Page, RandomRequest, StreamRequest, PollenRequest, SessionRequest,
                                MetricsRequest, EventsRequest, HistoryRequest, AssetRequest>;

struct ApiLimits {
  std::uint64_t drbg_bytes = 1ULL << 30;
  std::uint64_t full_bytes = 64 << 10;
};

// What a browser would rather have than text (RFC 9110, 12.5.1), and whether it takes gzip.
bool prefers_html(std::string_view accept);
bool takes_gzip(std::string_view accept_encoding);

// `target` as in the request line; `body` is a form for POST. HEAD is read as GET: nothing is drawn
// for it. Total.
tl::expected<ApiRequest, Refusal> parse_api_request(std::string_view method,
                                                    std::string_view target, std::string_view body,
                                                    const ApiLimits& limits);

}  // namespace qanat::wire
