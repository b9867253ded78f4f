#include "crypto/aead.h"

#include <sodium.h>

namespace qanat::crypto {
namespace {

constexpr std::size_t nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t tag_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
static_assert(aead_key_bytes == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);

}  // namespace

std::vector<std::uint8_t> seal(Bytes key, Bytes plaintext, Bytes associated) {
  std::vector<std::uint8_t> out(nonce_bytes + plaintext.size() + tag_bytes);
  randombytes_buf(out.data(), nonce_bytes);
  crypto_aead_xchacha20poly1305_ietf_encrypt(out.data() + nonce_bytes, nullptr, plaintext.data(),
                                             plaintext.size(), associated.data(), associated.size(),
                                             nullptr, out.data(), key.data());
  return out;
}

std::optional<SecretBytes> open(Bytes key, Bytes sealed, Bytes associated) {
  if (sealed.size() < nonce_bytes + tag_bytes) return std::nullopt;
  SecretBytes plaintext(sealed.size() - nonce_bytes - tag_bytes);
  const Bytes body = sealed.subspan(nonce_bytes);
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          plaintext.view().data(), nullptr, nullptr, body.data(), body.size(), associated.data(),
          associated.size(), sealed.data(), key.data()) != 0) {
    return std::nullopt;
  }
  return plaintext;
}

void seal_to(Bytes key, Bytes nonce, Bytes plaintext, Bytes associated, MutableBytes out) {
  static_assert(aead_nonce_bytes == nonce_bytes && aead_tag_bytes == tag_bytes);
  crypto_aead_xchacha20poly1305_ietf_encrypt(out.data(), nullptr, plaintext.data(),
                                             plaintext.size(), associated.data(), associated.size(),
                                             nullptr, nonce.data(), key.data());
}

bool open_to(Bytes key, Bytes nonce, Bytes sealed, Bytes associated, MutableBytes out) {
  return crypto_aead_xchacha20poly1305_ietf_decrypt(
             out.data(), nullptr, nullptr, sealed.data(), sealed.size(), associated.data(),
             associated.size(), nonce.data(), key.data()) == 0;
}

void random_bytes(MutableBytes out) { randombytes_buf(out.data(), out.size()); }

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  randombytes_buf(&seed, sizeof seed);
  return seed;
}

}  // namespace qanat::crypto
