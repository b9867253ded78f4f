#include "crypto/hash.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "crypto/openssl.h"

namespace qanat::crypto {
namespace {

using MdContext = std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>>;

template <typename Digest>
Digest digest(const EVP_MD* algorithm, std::initializer_list<Bytes> parts) {
  Digest out;
  const MdContext context(EVP_MD_CTX_new());
  bool ok = context && EVP_DigestInit_ex2(context.get(), algorithm, nullptr) == 1;
  for (Bytes part : parts) {
    ok = ok && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  require(ok && EVP_DigestFinal_ex(context.get(), out.data(), nullptr) == 1, "SHA-2");
  return out;
}

// A fetch walks the providers under a lock: once for the program.
EVP_MAC* hmac_algorithm() {
  static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  require(algorithm != nullptr, "HMAC");
  return algorithm;
}

}  // namespace

Sha256Digest sha256(std::initializer_list<Bytes> parts) {
  return digest<Sha256Digest>(EVP_sha256(), parts);
}
Sha512Digest sha512(std::initializer_list<Bytes> parts) {
  return digest<Sha512Digest>(EVP_sha512(), parts);
}

void Sha512::Free::operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }

Sha512::Sha512() : context_(EVP_MD_CTX_new()) {
  // Fetched once, or each message would look it up again.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  require(context_ && EVP_DigestInit_ex2(context_.get(), algorithm, nullptr) == 1, "SHA-512");
}

Sha512::Sha512(Sha512&&) noexcept = default;
Sha512& Sha512::operator=(Sha512&&) noexcept = default;
Sha512::~Sha512() = default;

void Sha512::update(Bytes part) {
  require(EVP_DigestUpdate(context_.get(), part.data(), part.size()) == 1, "SHA-512");
}

void Sha512::finish(std::span<std::uint8_t, output_bytes> out) {
  require(EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1 &&
              EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) == 1,
          "SHA-512");
}

void HmacSha512::Free::operator()(EVP_MAC_CTX* context) const noexcept {
  EVP_MAC_CTX_free(context);
}

HmacSha512::HmacSha512(Bytes key) : context_(EVP_MAC_CTX_new(hmac_algorithm())) {
  char name[] = "SHA512";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                                   OSSL_PARAM_construct_end()};
  require(context_ && EVP_MAC_init(context_.get(), key.data(), key.size(), parameters) == 1,
          "HMAC-SHA-512");
}

HmacSha512::HmacSha512(HmacSha512&&) noexcept = default;
HmacSha512& HmacSha512::operator=(HmacSha512&&) noexcept = default;
HmacSha512::~HmacSha512() = default;

void HmacSha512::update(Bytes part) {
  require(EVP_MAC_update(context_.get(), part.data(), part.size()) == 1, "HMAC-SHA-512");
}

void HmacSha512::finish(std::span<std::uint8_t, output_bytes> out) {
  std::size_t size = 0;
  require(EVP_MAC_final(context_.get(), out.data(), &size, out.size()) == 1 &&
              EVP_MAC_init(context_.get(), nullptr, 0, nullptr) == 1,
          "HMAC-SHA-512");
}

void hmac_sha512(Bytes key, std::initializer_list<Bytes> parts,
                 std::span<std::uint8_t, HmacSha512::output_bytes> out) {
  HmacSha512 mac(key);
  for (Bytes part : parts) mac.update(part);
  mac.finish(out);
}

void hkdf_sha512(Bytes salt, Bytes input, Bytes info, MutableBytes out) {
  const std::unique_ptr<EVP_KDF, FreeWith<EVP_KDF_free>> kdf(
      EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const std::unique_ptr<EVP_KDF_CTX, FreeWith<EVP_KDF_CTX_free>> context(
      EVP_KDF_CTX_new(kdf.get()));
  const auto octets = [](const char* name, Bytes bytes) {
    // OpenSSL only reads them. An empty one still needs a place.
    static std::uint8_t nothing = 0;
    void* const data =
        bytes.empty() ? &nothing : const_cast<std::uint8_t*>(bytes.data());  // NOLINT
    return OSSL_PARAM_construct_octet_string(name, data, bytes.size());
  };
  std::array<char, 7> digest{"SHA512"};
  const std::array<OSSL_PARAM, 5> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      octets(OSSL_KDF_PARAM_SALT, salt), octets(OSSL_KDF_PARAM_KEY, input),
      octets(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_construct_end()};
  require(context && EVP_KDF_derive(context.get(), out.data(), out.size(), parameters.data()) == 1,
          "HKDF");
}

}  // namespace qanat::crypto
