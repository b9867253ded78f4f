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
// ahead); what is older is wiped, and cannot be made again from what is left: a chain never goes
// back.
//
// Not thread-safe: CookieKeeper has the node's, and gives copies to its threads.
class CookieKeys {
 public:
  static constexpr std::uint64_t generation_seconds = 3600;
  // So far may the keys be ahead of the clock before it is the keys that are wrong. A clock in
  // local time that is set right moves by 14 hours at most.
  static constexpr std::uint32_t most_ahead = 24;
  // 2025-01-01, before this program was: a machine without a battery begins in 1970 or when its
  // firmware was made, until the network tells it the time.
  static constexpr std::uint64_t first_credible_second = 1735689600;
  static std::uint32_t generation_at(std::uint64_t unix_seconds) {
    return static_cast<std::uint32_t>(unix_seconds / generation_seconds);
  }

  CookieKeys(const CookieKeys& other);
  CookieKeys& operator=(const CookieKeys& other);
  CookieKeys(CookieKeys&&) noexcept = default;
  CookieKeys& operator=(CookieKeys&&) noexcept = default;

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

  // What the clock makes of the keys (docs/trickle.md, Clocks).
  enum class Turn {
    present,  // nothing: they are the hour's, or one more
    forward,  // they have gone on with it
    ahead,    // nothing: they are some hours ahead, and wait until it comes after
    unset,    // nothing: it cannot be right
    anew,     // they were ahead by more than a day: a new random key, at the clock's generation
  };
  Turn follow(std::uint64_t unix_seconds);

  // Whether both are, or will be, the same keys.
  bool same_chain(const CookieKeys& other) const;

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
