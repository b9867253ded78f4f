// Trickle: seeds by UDP. Packets and cookies: bytes <-> messages, and nothing else.
// docs/trickle.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/secret.h"
#include "spec/grade.h"

namespace qanat::wire::trickle {

inline constexpr std::uint16_t usual_port = 7749;

inline constexpr std::size_t header_bytes = 12;
inline constexpr std::size_t id_bytes = 16;
inline constexpr std::size_t nonce_bytes = 24;
inline constexpr std::size_t tag_bytes = 16;
inline constexpr std::size_t mac_bytes = 16;
inline constexpr std::size_t key_bytes = 32;   // C2S, S2C, cookie keys
inline constexpr std::size_t keys_bytes = 64;  // C2S | S2C
inline constexpr std::size_t fresh_bytes = 32;
inline constexpr std::size_t client_id_bytes = 16;
inline constexpr std::size_t ticket_bytes = 1 + 3 + client_id_bytes + keys_bytes;
inline constexpr std::size_t cookie_bytes = 4 + nonce_bytes + ticket_bytes + tag_bytes;
static_assert(cookie_bytes == 128);
inline constexpr std::size_t generation_bytes = 4;  // of a cookie, before its nonce
inline constexpr std::size_t least_request = header_bytes + id_bytes + mac_bytes + cookie_bytes;
// What every IPv6 path carries unfragmented: 1280 less its header and UDP's (RFC 8200, 5).
inline constexpr std::size_t most_datagram = 1232;
inline constexpr unsigned most_cookies = 7;

enum class Grade : std::uint8_t { drbg = 1, full = 2, full_or_drbg = 3 };
inline constexpr Grade only(spec::Grade grade) {
  return grade == spec::Grade::full ? Grade::full : Grade::drbg;
}
// Of a refusal. A client takes those that it does not know as it takes `dry`.
enum class Reason : std::uint8_t { rate = 1, dry = 2, unseeded = 3, session = 4 };
// Who vouches for a client: this hub's invitation, or a certificate that any hub may know.
enum class ClientClass : std::uint8_t { invited = 1, certified = 2 };

using Id = std::array<std::uint8_t, id_bytes>;
using Nonce = std::array<std::uint8_t, nonce_bytes>;
using Cookie = std::array<std::uint8_t, cookie_bytes>;
using ClientId = std::array<std::uint8_t, client_id_bytes>;

// Bytes of a reply with so much in it.
constexpr std::size_t reply_bytes(std::size_t bytes, unsigned cookies) {
  return header_bytes + id_bytes + nonce_bytes + tag_bytes + bytes +
         cookies * (fresh_bytes + cookie_bytes);
}
inline constexpr std::size_t refusal_bytes = reply_bytes(4, 0);

// What is in a cookie: only servers see it.
struct CookieContent {
  ClientClass client_class = ClientClass::certified;
  std::uint32_t session = 0;  // the generation of its TLS session, modulo 2^24
  ClientId client{};
  WipedArray<keys_bytes> keys;  // C2S | S2C
};

// Who a client is to every server: of its name and, when it was invited, its pre-shared key. Who is
// invited again under an old name is somebody else.
ClientId client_id(std::string_view name, Bytes shared_key);
// Of a session over TLS: the exporter's label and size, and the keys of cookie `number` (from 0).
// `shared_key` is empty for a client that has none.
inline constexpr std::string_view exporter_label = "EXPORTER-qanat-trickle-v1";
inline constexpr std::size_t exporter_bytes = 64;
inline constexpr std::size_t session_nonce_bytes = 32;
void session_keys(Bytes exporter, Bytes shared_key, Bytes session_nonce, unsigned number,
                  MutableBytes out);
// K', from the keys of the cookie that was spent and what came with the fresh one.
void next_keys(Bytes keys, Bytes fresh, MutableBytes out);
// The cookie key of the next generation.
void next_cookie_key(Bytes key, MutableBytes out);

// Under the cookie key of `generation`. `nonce` must never come twice.
Cookie seal_cookie(Bytes cookie_key, std::uint32_t generation, const Nonce& nonce,
                   const CookieContent& content);
std::uint32_t generation_of(std::span<const std::uint8_t, cookie_bytes> cookie);
// False when it was not sealed under this key.
bool open_cookie(Bytes cookie_key, std::span<const std::uint8_t, cookie_bytes> cookie,
                 CookieContent& out);

// A cookie as its client holds it.
struct KeyedCookie {
  Cookie cookie{};
  SecretBytes keys;            // C2S | S2C
  std::uint64_t received = 0;  // Unix time; 0 while it has just come

  Bytes c2s() const { return keys.view().first(key_bytes); }
  Bytes s2c() const { return keys.view().last(key_bytes); }
};

struct Request {
  Grade grade = Grade::drbg;
  unsigned cookies = 0;   // wanted
  std::size_t bytes = 0;  // wanted
  Id id{};
  Cookie cookie{};
};

// Why a datagram gets no answer; counted by the server.
enum class Drop { too_short, too_long, malformed, padding };
std::string_view to_string(Drop drop);

// The datagram of a request, with its MAC under C2S. Precondition: a reply of that size fits into
// most_datagram, and bytes > 0.
std::vector<std::uint8_t> encode_request(const Request& request, Bytes c2s);
// Total. Says nothing of who made it: see `authentic`.
tl::expected<Request, Drop> decode_request(Bytes datagram);
bool authentic(Bytes datagram, Bytes c2s);
// The MAC of a datagram that decode_request takes; no other question has the same.
std::array<std::uint8_t, mac_bytes> mac_of(Bytes datagram);

// Writes a reply to `request` and returns its size, reply_bytes(bytes, cookies) <= the request's.
// `grade` is drbg or full; `fresh` holds `fresh_bytes` for each cookie. out.size() suffices.
std::size_t encode_reply(const Request& request, Grade grade, Bytes entropy,
                         std::span<const Cookie> cookies, Bytes fresh, Bytes s2c,
                         const Nonce& nonce, MutableBytes out);
std::size_t encode_refusal(const Request& request, Reason reason, std::uint16_t wait_seconds,
                           Bytes s2c, const Nonce& nonce, MutableBytes out);

// What a client makes of a datagram that may answer its question.
struct Answer {
  Grade grade = Grade::drbg;
  std::size_t bytes = 0;  // of entropy
  unsigned cookies = 0;
  std::optional<Reason> refused;
  std::uint16_t wait_seconds = 0;

  Bytes entropy() const { return plaintext.view().first(bytes); }
  Bytes fresh(unsigned i) const;
  Cookie cookie(unsigned i) const;

  WipedArray<most_datagram> plaintext;  // entropy, then fresh | cookie for each
};
// False for everything but a reply or refusal to the question with this id, sealed under S2C, that
// keeps to the form; then nothing of `out` means anything. Total.
bool decode_answer(Bytes datagram, const Id& id, Bytes s2c, Answer& out);

}  // namespace qanat::wire::trickle
