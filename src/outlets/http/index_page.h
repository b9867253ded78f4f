// The page at GET /, for curl.
#pragma once

#include <string_view>

namespace qanat::outlets {

inline constexpr std::string_view index_text =
    R"(qanat: entropy from where it is real to where it is needed

GET  /v1/random?bytes=N&grade=full|drbg&format=raw|hex|base64|json&wait=10s
GET  /v1/stream?grade=full|drbg&rate=1KiB/s
POST /v1/session               cookies for seeds by UDP
GET  /v1/status                what the node does, JSON
GET  /v1/events?status=yes     what happens, as it happens (SSE)
GET  /v1/history?span=10m|2h|24h
GET  /metrics?clients=yes      for Prometheus
GET  /healthz
GET  /readyz
GET  /                         in a browser: all of that on a page
POST /                         challenge=TEXT, as pollinate sends it

full: full-entropy bytes, each used once. drbg: from a DRBG seeded with such, up to the rate that
the operator allows.
)";

}  // namespace qanat::outlets
