#include "wire/trickle.h"

#include <algorithm>

#include "crypto/aead.h"
#include "crypto/blake2b.h"
#include "crypto/hash.h"

namespace qanat::wire::trickle {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::uint8_t suite = 1;
enum Kind : std::uint8_t { request_kind = 1, reply_kind = 2, refusal_kind = 3 };

// Places in a packet.
constexpr std::size_t at_id = header_bytes;
constexpr std::size_t at_mac = at_id + id_bytes;
constexpr std::size_t at_cookie = at_mac + mac_bytes;
constexpr std::size_t at_padding = at_cookie + cookie_bytes;
constexpr std::size_t at_nonce = at_id + id_bytes;
constexpr std::size_t at_sealed = at_nonce + nonce_bytes;

void put16(std::uint8_t* at, std::size_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}
std::uint16_t get16(const std::uint8_t* at) {
  return static_cast<std::uint16_t>(at[0] << 8 | at[1]);
}

void write_header(MutableBytes out, Kind kind, Grade grade, unsigned cookies, std::size_t bytes) {
  const std::array<std::uint8_t, 8> fixed{'Q',
                                          'T',
                                          version,
                                          kind,
                                          suite,
                                          static_cast<std::uint8_t>(grade),
                                          static_cast<std::uint8_t>(cookies),
                                          0};
  std::copy(fixed.begin(), fixed.end(), out.begin());
  put16(out.data() + 8, bytes);
  put16(out.data() + 10, 0);
}

// Magic, version, suite and zeros as they should be.
bool sound_header(Bytes datagram, Kind kind) {
  return datagram[0] == 'Q' && datagram[1] == 'T' && datagram[2] == version &&
         datagram[3] == kind && datagram[4] == suite && datagram[7] == 0 && datagram[10] == 0 &&
         datagram[11] == 0;
}

// Header and id. The key stands before them, in the same block: half the price of BLAKE2b's own
// keyed mode, which gives the key a block for itself, and as good (docs/trickle.md, Why).
void make_mac(Bytes head, Bytes c2s, MutableBytes mac) {
  crypto::blake2b({}, {as_bytes("qanat trickle v1 request"), c2s, head}, mac);
}

void cookie_data(std::uint32_t generation, std::array<std::uint8_t, 27>& out) {
  constexpr std::string_view label = "qanat trickle v1 cookie";
  static_assert(label.size() + 4 == 27);
  std::copy(label.begin(), label.end(), out.begin());
  put16(out.data() + 23, generation >> 16);
  put16(out.data() + 25, generation & 0xffff);
}

// Seals out[at_sealed...] in place.
void seal_packet(MutableBytes packet, Bytes s2c) {
  const MutableBytes body = packet.subspan(at_sealed);
  crypto::seal_to(s2c, packet.subspan(at_nonce, nonce_bytes), body.first(body.size() - tag_bytes),
                  packet.first(at_sealed), body);
}

std::size_t begin_answer(const Request& request, Kind kind, Grade grade, unsigned cookies,
                         std::size_t bytes, const Nonce& nonce, MutableBytes out) {
  write_header(out, kind, grade, cookies, bytes);
  std::copy(request.id.begin(), request.id.end(), out.begin() + at_id);
  std::copy(nonce.begin(), nonce.end(), out.begin() + at_nonce);
  return at_sealed;
}

}  // namespace

ClientId client_id(std::string_view name, Bytes shared_key) {
  ClientId id;
  crypto::blake2b(shared_key, {as_bytes("qanat trickle v1 client"), as_bytes(name)}, id);
  return id;
}

void session_keys(Bytes exporter, Bytes shared_key, Bytes session_nonce, unsigned number,
                  MutableBytes out) {
  constexpr std::string_view label = "qanat trickle v1";
  std::array<std::uint8_t, label.size() + session_nonce_bytes + 1> info{};
  std::copy(label.begin(), label.end(), info.begin());
  std::copy(session_nonce.begin(), session_nonce.end(), info.begin() + label.size());
  info.back() = static_cast<std::uint8_t>(number);
  crypto::hkdf_sha512(shared_key, exporter, info, out);
}

void next_keys(Bytes keys, Bytes fresh, MutableBytes out) {
  crypto::blake2b({}, {as_bytes("qanat trickle v1 next"), keys, fresh}, out);
}

void next_cookie_key(Bytes key, MutableBytes out) {
  crypto::blake2b(key, {as_bytes("qanat trickle v1 cookie key")}, out);
}

Cookie seal_cookie(Bytes cookie_key, std::uint32_t generation, const Nonce& nonce,
                   const CookieContent& content) {
  Cookie cookie{};
  put16(cookie.data(), generation >> 16);
  put16(cookie.data() + 2, generation & 0xffff);
  std::copy(nonce.begin(), nonce.end(), cookie.begin() + 4);
  WipedArray<ticket_bytes> plain;
  plain.data()[0] = static_cast<std::uint8_t>(content.client_class);
  plain.data()[1] = static_cast<std::uint8_t>(content.session >> 16);
  put16(plain.data() + 2, content.session & 0xffff);
  std::copy(content.client.begin(), content.client.end(), plain.data() + 4);
  std::copy_n(content.keys.view().data(), keys_bytes, plain.data() + 4 + client_id_bytes);
  std::array<std::uint8_t, 27> data{};
  cookie_data(generation, data);
  crypto::seal_to(cookie_key, nonce, plain.view(), data,
                  MutableBytes(cookie).subspan(4 + nonce_bytes));
  return cookie;
}

std::uint32_t generation_of(std::span<const std::uint8_t, cookie_bytes> cookie) {
  return std::uint32_t{get16(cookie.data())} << 16 | get16(cookie.data() + 2);
}

bool open_cookie(Bytes cookie_key, std::span<const std::uint8_t, cookie_bytes> cookie,
                 CookieContent& out) {
  WipedArray<ticket_bytes> plain;
  std::array<std::uint8_t, 27> data{};
  cookie_data(generation_of(cookie), data);
  if (!crypto::open_to(cookie_key, cookie.subspan(4, nonce_bytes), cookie.subspan(4 + nonce_bytes),
                       data, plain.view())) {
    return false;
  }
  out.client_class = static_cast<ClientClass>(plain.data()[0]);
  out.session = std::uint32_t{plain.data()[1]} << 16 | get16(plain.data() + 2);
  std::copy_n(plain.data() + 4, client_id_bytes, out.client.begin());
  std::copy_n(plain.data() + 4 + client_id_bytes, keys_bytes, out.keys.data());
  return true;
}

std::string_view to_string(Drop drop) {
  switch (drop) {
    case Drop::too_short:
      return "short";
    case Drop::too_long:
      return "long";
    case Drop::malformed:
      return "malformed";
    case Drop::padding:
      return "padding";
  }
  return "malformed";
}

std::vector<std::uint8_t> encode_request(const Request& request, Bytes c2s) {
  std::vector<std::uint8_t> out(
      std::max(least_request, reply_bytes(request.bytes, request.cookies)));
  write_header(out, request_kind, request.grade, request.cookies, request.bytes);
  std::copy(request.id.begin(), request.id.end(), out.begin() + at_id);
  std::copy(request.cookie.begin(), request.cookie.end(), out.begin() + at_cookie);
  const MutableBytes whole(out);
  make_mac(whole.first(at_mac), c2s, whole.subspan(at_mac, mac_bytes));
  return out;
}

tl::expected<Request, Drop> decode_request(Bytes datagram) {
  if (datagram.size() < least_request) return tl::unexpected(Drop::too_short);
  if (datagram.size() > most_datagram) return tl::unexpected(Drop::too_long);
  Request request;
  const std::uint8_t grade = datagram[5];
  request.cookies = datagram[6];
  request.bytes = get16(datagram.data() + 8);
  if (!sound_header(datagram, request_kind) || grade < 1 || grade > 3 ||
      request.cookies > most_cookies || request.bytes == 0) {
    return tl::unexpected(Drop::malformed);
  }
  request.grade = static_cast<Grade>(grade);
  if (reply_bytes(request.bytes, request.cookies) > datagram.size()) {
    return tl::unexpected(Drop::padding);
  }
  const Bytes padding = datagram.subspan(at_padding);
  // No way out on the way: 16 bytes at a time.
  std::uint8_t any = 0;
  for (const std::uint8_t byte : padding) any |= byte;
  if (any != 0) {
    return tl::unexpected(Drop::malformed);
  }
  std::copy_n(datagram.begin() + at_id, id_bytes, request.id.begin());
  std::copy_n(datagram.begin() + at_cookie, cookie_bytes, request.cookie.begin());
  return request;
}

bool authentic(Bytes datagram, Bytes c2s) {
  std::array<std::uint8_t, mac_bytes> mac;
  make_mac(datagram.first(at_mac), c2s, mac);
  return equal_constant_time(mac, datagram.subspan(at_mac, mac_bytes));
}

std::array<std::uint8_t, mac_bytes> mac_of(Bytes datagram) {
  std::array<std::uint8_t, mac_bytes> mac;
  std::copy_n(datagram.begin() + at_mac, mac_bytes, mac.begin());
  return mac;
}

std::size_t encode_reply(const Request& request, Grade grade, Bytes entropy,
                         std::span<const Cookie> cookies, Bytes fresh, Bytes s2c,
                         const Nonce& nonce, MutableBytes out) {
  const auto count = static_cast<unsigned>(cookies.size());
  std::size_t at = begin_answer(request, reply_kind, grade, count, entropy.size(), nonce, out);
  const auto put = [&](Bytes bytes) {
    std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
    at += bytes.size();
  };
  put(entropy);
  for (unsigned i = 0; i < count; ++i) {
    put(fresh.subspan(i * fresh_bytes, fresh_bytes));
    put(cookies[i]);
  }
  seal_packet(out.first(at + tag_bytes), s2c);
  return at + tag_bytes;
}

std::size_t encode_refusal(const Request& request, Reason reason, std::uint16_t wait_seconds,
                           Bytes s2c, const Nonce& nonce, MutableBytes out) {
  std::uint8_t* const body =
      out.data() + begin_answer(request, refusal_kind, request.grade, 0, 0, nonce, out);
  body[0] = static_cast<std::uint8_t>(reason);
  body[1] = 0;
  put16(body + 2, wait_seconds);
  seal_packet(out.first(refusal_bytes), s2c);
  return refusal_bytes;
}

Bytes Answer::fresh(unsigned i) const {
  return plaintext.view().subspan(bytes + i * (fresh_bytes + cookie_bytes), fresh_bytes);
}

Cookie Answer::cookie(unsigned i) const {
  Cookie cookie{};
  const Bytes from = plaintext.view().subspan(
      bytes + i * (fresh_bytes + cookie_bytes) + fresh_bytes, cookie_bytes);
  std::copy(from.begin(), from.end(), cookie.begin());
  return cookie;
}

bool decode_answer(Bytes datagram, const Id& id, Bytes s2c, Answer& out) {
  if (datagram.size() < reply_bytes(0, 0) || datagram.size() > most_datagram) return false;
  const bool refusal = sound_header(datagram, refusal_kind);
  if (!refusal && !sound_header(datagram, reply_kind)) return false;
  if (!std::equal(id.begin(), id.end(), datagram.begin() + at_id)) return false;
  out.cookies = datagram[6];
  out.bytes = get16(datagram.data() + 8);
  const std::uint8_t grade = datagram[5];
  if (grade < 1 || grade > 3 || (!refusal && grade == 3)) return false;
  out.grade = static_cast<Grade>(grade);
  const std::size_t size = refusal ? refusal_bytes : reply_bytes(out.bytes, out.cookies);
  if (datagram.size() != size || (refusal && (out.bytes != 0 || out.cookies != 0))) return false;
  const MutableBytes plaintext = out.plaintext.view().first(size - at_sealed - tag_bytes);
  if (!crypto::open_to(s2c, datagram.subspan(at_nonce, nonce_bytes), datagram.subspan(at_sealed),
                       datagram.first(at_sealed), plaintext)) {
    return false;
  }
  out.refused.reset();
  out.wait_seconds = 0;
  if (!refusal) return true;
  // A reason of a later version is one, too.
  if (plaintext[0] == 0 || plaintext[1] != 0) return false;
  out.refused = static_cast<Reason>(plaintext[0]);
  out.wait_seconds = get16(plaintext.data() + 2);
  return true;
}

}  // namespace qanat::wire::trickle
