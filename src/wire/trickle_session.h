// The answer of POST /v1/session: what a client needs to ask by trickle. docs/trickle.md, Keys.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "wire/trickle.h"

namespace qanat::wire {

struct TrickleSession {
  std::uint16_t port = 0;
  std::uint64_t lifetime = 0;  // of a cookie, seconds
  std::array<std::uint8_t, wire::trickle::session_nonce_bytes> nonce{};
  std::vector<wire::trickle::Cookie> cookies;  // 1 to 8; keys as wire::trickle::session_keys
};

std::string encode(const TrickleSession& session);
// Total; an Error for what this version does not understand.
Result<TrickleSession> decode_trickle_session(std::string_view text);

}  // namespace qanat::wire
