#include "wire/pollen.h"

#include <algorithm>

#include "crypto/hash.h"

namespace qanat::wire::pollen {
namespace {

constexpr std::size_t line = 2 * seed_bytes;

}  // namespace

std::string encode_question(std::string_view challenge) {
  return "challenge=" + std::string(challenge);
}

void write_reply(std::string_view challenge, std::span<const std::uint8_t, seed_bytes> seed,
                 MutableBytes out) {
  const auto digest = crypto::sha512({as_bytes(challenge)});
  std::size_t at = 0;
  for (const Bytes part : {Bytes(digest), Bytes(seed)}) {
    write_hex(part, {reinterpret_cast<char*>(out.data()) + at, line});
    at += line;
    out[at++] = '\n';
  }
}

bool read_reply(Bytes reply, std::string_view challenge, std::span<std::uint8_t, seed_bytes> seed) {
  // The last line may lack its end, and either may end as in a form.
  crypto::Sha512Digest digest{};
  if (reply.size() < line || !read_hex(as_text(reply.first(line)), digest)) return false;
  if (!equal_constant_time(digest, crypto::sha512({as_bytes(challenge)}))) return false;
  reply = reply.subspan(line);
  const auto skip_end = [&reply] {
    if (!reply.empty() && reply.front() == '\r') reply = reply.subspan(1);
    if (reply.empty()) return true;
    if (reply.front() != '\n') return false;
    reply = reply.subspan(1);
    return true;
  };
  if (reply.empty() || !skip_end() || reply.size() < line) return false;
  if (!read_hex(as_text(reply.first(line)), seed)) return false;
  reply = reply.subspan(line);
  return skip_end() && reply.empty();
}

}  // namespace qanat::wire::pollen
