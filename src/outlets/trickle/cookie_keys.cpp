#include "outlets/trickle/cookie_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "crypto/aead.h"

namespace qanat::outlets {

using wire::trickle::key_bytes;
using wire::trickle::next_cookie_key;

namespace {

constexpr std::string_view mark = "qanat-cookie-key 1 ";
// A century of hours: a generation beyond it is a clock's mistake, and would take hours to reach.
constexpr std::uint32_t most_steps = 100 * 366 * 24;
// The two that follow it have numbers, too.
constexpr std::uint32_t most_oldest = ~std::uint32_t{0} - 2;

}  // namespace

CookieKeys::CookieKeys(std::uint32_t oldest, Bytes key) : generation_(oldest + 1) {
  keys_[0] = SecretBytes(key);
  for (std::size_t i = 1; i < keys_.size(); ++i) {
    keys_[i] = SecretBytes(key_bytes);
    next_cookie_key(keys_[i - 1].view(), keys_[i].view());
  }
}

CookieKeys::CookieKeys(const CookieKeys& other) : generation_(other.generation_) {
  for (std::size_t i = 0; i < keys_.size(); ++i) keys_[i] = SecretBytes(other.keys_[i].view());
}

CookieKeys& CookieKeys::operator=(const CookieKeys& other) { return *this = CookieKeys(other); }

CookieKeys CookieKeys::make(std::uint32_t generation) {
  SecretBytes key(key_bytes);
  crypto::random_bytes(key.view());
  return {generation - 1, key.view()};
}

Result<CookieKeys> CookieKeys::parse(std::string_view text, std::uint32_t generation) {
  const auto bad = [] {
    return error("this is not a cookie key; it is one line, as in another hub's trickle.key");
  };
  if (!text.starts_with(mark) || !text.ends_with('\n')) return bad();
  text = text.substr(mark.size(), text.size() - mark.size() - 1);
  std::uint32_t oldest = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), oldest);
  if (problem != std::errc() || end == text.data() + text.size() || *end != ' ') return bad();
  auto key = from_hex(text.substr(static_cast<std::size_t>(end - text.data()) + 1));
  if (!key || key->size() != key_bytes || oldest > most_oldest) return bad();
  CookieKeys keys(oldest, *key);
  wipe(*key);
  if (generation > keys.generation_ && generation - keys.generation_ > most_steps) {
    return error("the cookie key is more than a century old, or the clock is wrong");
  }
  keys.advance(generation);
  return keys;
}

SecretBytes CookieKeys::text() const {
  const std::string head = fmt::format("{}{} ", mark, generation_ - 1);
  SecretBytes text(head.size() + 2 * key_bytes + 1);
  std::copy(head.begin(), head.end(), text.view().begin());
  char* const hex = reinterpret_cast<char*>(text.view().data()) + head.size();
  write_hex(keys_[0].view(), {hex, 2 * key_bytes});
  hex[2 * key_bytes] = '\n';
  return text;
}

bool CookieKeys::advance(std::uint32_t generation) {
  if (generation <= generation_ || generation - generation_ > most_steps) return false;
  for (; generation_ < generation; ++generation_) {
    // What leaves is wiped with its memory.
    std::rotate(keys_.begin(), keys_.begin() + 1, keys_.end());
    next_cookie_key(keys_[1].view(), keys_[2].view());
  }
  return true;
}

CookieKeys::Turn CookieKeys::follow(std::uint64_t unix_seconds) {
  const std::uint64_t clock = unix_seconds / generation_seconds;
  const bool credible = unix_seconds >= first_credible_second &&
                        (clock <= generation_ || clock - generation_ <= most_steps);
  if (!credible) return Turn::unset;
  const std::uint32_t present = generation_at(unix_seconds);
  if (generation_ > present && generation_ - present > most_ahead) {
    *this = make(present);
    return Turn::anew;
  }
  // One ahead: around the hour's end, and after a clock was set back by a little.
  if (generation_ > present) return generation_ - present > 1 ? Turn::ahead : Turn::present;
  return advance(present) ? Turn::forward : Turn::present;
}

bool CookieKeys::same_chain(const CookieKeys& other) const {
  CookieKeys older = generation_ <= other.generation_ ? *this : other;
  const CookieKeys& newer = generation_ <= other.generation_ ? other : *this;
  older.advance(newer.generation_);
  return older.generation_ == newer.generation_ &&
         equal_constant_time(older.current(), newer.current());
}

Bytes CookieKeys::find(std::uint32_t generation) const {
  // Unsigned: one before generation_ - 1 wraps round to a large number.
  const std::uint32_t place = generation - (generation_ - 1);
  return place < keys_.size() ? keys_[place].view() : Bytes();
}

}  // namespace qanat::outlets
