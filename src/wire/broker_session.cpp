#include "wire/broker_session.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

namespace qanat::wire::broker {
namespace {

using crypto::CfbStream;

// Key and IV are the password, cut or filled up with zeros (blowfish's key is all of it); the IV's
// bytes are mixed with the challenge's.
CfbStream stream(const Hello& hello, std::string_view password, CfbStream::Direction direction) {
  const CipherName* const cipher = find_cipher(hello.cipher);
  if (cipher == nullptr) throw Failure("unknown cipher " + hello.cipher);
  if (!cipher->takes(password)) {
    throw Failure(fmt::format("{} takes passwords of {} to {} characters only", cipher->name,
                              cipher->least_key, cipher->most_key));
  }
  const std::size_t key_bytes = cipher->key_bytes == 0 ? password.size() : cipher->key_bytes;
  WipedArray<56> key;
  WipedArray<16> iv;
  const Bytes text = as_bytes(password);
  std::copy_n(text.begin(), std::min(text.size(), key_bytes), key.view().begin());
  std::copy_n(text.begin(), std::min(text.size(), cipher->block_bytes), iv.view().begin());
  std::uint64_t challenge = 0;
  std::from_chars(hello.challenge.data(), hello.challenge.data() + hello.challenge.size(),
                  challenge);
  for (std::size_t i = 0; i < cipher->block_bytes; ++i) {
    iv.view()[i] ^= static_cast<std::uint8_t>(challenge >> 8 * (i % 8));
  }
  return {cipher->algorithm, Bytes(key.view()).first(key_bytes),
          Bytes(iv.view()).first(cipher->block_bytes), direction};
}

crypto::NamedHash hash_of(const std::string& name) {
  const HashName* const hash = find_hash(name);
  if (hash == nullptr) throw Failure("unknown hash " + name);
  return crypto::NamedHash(hash->algorithm);
}

}  // namespace

std::vector<std::uint8_t> prove(const std::string& hash, std::string_view challenge,
                                std::string_view password) {
  crypto::NamedHash algorithm = hash_of(hash);
  SecretBytes text(challenge.size() + 1 + password.size());
  auto at = std::copy(challenge.begin(), challenge.end(), text.view().begin());
  *at++ = ' ';
  std::copy(password.begin(), password.end(), at);
  std::vector<std::uint8_t> proof(algorithm.output_bytes());
  algorithm.digest(text.view(), proof);
  return proof;
}

Session::Session(const Hello& hello, std::string_view password)
    : mac_(hash_of(hello.mac)),
      out_(stream(hello, password, CfbStream::Direction::encrypt)),
      before_(stream(hello, password, CfbStream::Direction::encrypt)),
      in_(stream(hello, password, CfbStream::Direction::decrypt)) {}

void Session::seal(MutableBytes frame) {
  mac_.digest(frame.subspan(digest_bytes()), frame.first(digest_bytes()));
  before_.copy_state(out_);
  out_.process(frame);
}

MutableBytes Session::open(MutableBytes frame) {
  if (frame.size() < digest_bytes()) return {};
  in_.process(frame);
  std::array<std::uint8_t, most_digest> digest{};
  const MutableBytes expected = MutableBytes(digest).first(digest_bytes());
  const MutableBytes data = frame.subspan(digest_bytes());
  mac_.digest(data, expected);
  const bool same = equal_constant_time(expected, frame.first(digest_bytes()));
  return same ? data : MutableBytes();
}

}  // namespace qanat::wire::broker
