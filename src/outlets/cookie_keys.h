// The keys under which trickle's cookies are sealed: one an hour, each made from the one before.
// docs/trickle.md, Cookies.
#pragma once

#include <array>
#include <cstdint>

#include "base/error.h"
#include "base/secret.h"
#include "wire/trickle.h"

namespace qanat::outlets {

// Accepts the present generation, the one before and the next (another server's clock may be
// ahead); what is older is wiped, and cannot be made again from what is left. It never goes back: a
// clock that is set back by hours leaves it where it is.
//
// Not thread-safe: one thread changes it, and gives copies of the keys to others.
class CookieKeys {
 public:
  static constexpr std::uint64_t generation_seconds = 3600;
  static std::uint32_t generation_at(std::uint64_t unix_seconds) {
    return static_cast<std::uint32_t>(unix_seconds / generation_seconds);
  }

  // Begins a chain of its own.
  static CookieKeys make(std::uint32_t generation);
  // From `text`, as another server or an earlier run wrote it; brought up to `generation`, if that
  // is later. An Error when it is none.
  static Result<CookieKeys> parse(std::string_view text, std::uint32_t generation);
  // "qanat-cookie-key 1 GENERATION HEX\n": the oldest key that is still accepted, from which the
  // others follow. A secret.
  SecretBytes text() const;

  // Whether the keys have changed.
  bool advance(std::uint32_t generation);

  std::uint32_t generation() const { return generation_; }
  // New cookies are sealed under this.
  Bytes current() const { return keys_[1].view(); }
  // Empty when that generation is not accepted.
  Bytes find(std::uint32_t generation) const;

 private:
  CookieKeys(std::uint32_t oldest, Bytes key);

  std::uint32_t generation_ = 0;
  std::array<SecretBytes, 3> keys_;  // of generation_ - 1, generation_, generation_ + 1
};

}  // namespace qanat::outlets
