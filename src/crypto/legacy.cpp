#include "crypto/legacy.h"

#include <openssl/provider.h>

#include "base/mutex.h"
#include "crypto/openssl.h"

namespace qanat::crypto {
namespace {

// Never freed: what was fetched from it may live as long as the program.
OSSL_LIB_CTX* legacy_context() {
  static Mutex mutex;
  static OSSL_LIB_CTX* context = nullptr;
  static bool whole = false;
  const MutexLock lock(mutex);
  if (context == nullptr) context = OSSL_LIB_CTX_new();
  require(context != nullptr, "OpenSSL library context");
  // Where there is no legacy provider, what it would have had is missing, and the fetch says so. It
  // is a file: one that could not be opened (no descriptor was free) is tried again.
  if (!whole) {
    whole = OSSL_PROVIDER_load(context, "default") != nullptr &&
            OSSL_PROVIDER_load(context, "legacy") != nullptr;
  }
  ERR_clear_error();
  return context;
}

[[noreturn]] void missing(const std::string& algorithm) {
  ERR_clear_error();
  throw Failure(algorithm + " is not to be had from this OpenSSL (is its legacy provider there?)");
}

}  // namespace

void CfbStream::Free::operator()(EVP_CIPHER_CTX* context) const noexcept {
  EVP_CIPHER_CTX_free(context);
}

CfbStream::CfbStream(const std::string& algorithm, Bytes key, Bytes iv, Direction direction)
    : context_(EVP_CIPHER_CTX_new()) {
  const std::unique_ptr<EVP_CIPHER, FreeWith<EVP_CIPHER_free>> cipher(
      EVP_CIPHER_fetch(legacy_context(), algorithm.c_str(), nullptr));
  if (!cipher) missing(algorithm);
  // The length first: Blowfish's key may have many.
  require(context_ &&
              static_cast<std::size_t>(EVP_CIPHER_get_iv_length(cipher.get())) == iv.size() &&
              EVP_CipherInit_ex2(context_.get(), cipher.get(), nullptr, nullptr,
                                 direction == Direction::encrypt ? 1 : 0, nullptr) == 1 &&
              EVP_CIPHER_CTX_set_key_length(context_.get(), static_cast<int>(key.size())) == 1 &&
              EVP_CipherInit_ex2(context_.get(), nullptr, key.data(), iv.data(), -1, nullptr) == 1,
          algorithm.c_str());
}

CfbStream::CfbStream(CfbStream&&) noexcept = default;
CfbStream& CfbStream::operator=(CfbStream&&) noexcept = default;
CfbStream::~CfbStream() = default;

void CfbStream::process(MutableBytes data) {
  int written = 0;
  require(EVP_CipherUpdate(context_.get(), data.data(), &written, data.data(),
                           static_cast<int>(data.size())) == 1,
          "CFB");
}

void CfbStream::copy_state(const CfbStream& other) {
  require(EVP_CIPHER_CTX_copy(context_.get(), other.context_.get()) == 1, "CFB");
}

void NamedHash::Free::operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }

NamedHash::NamedHash(const std::string& algorithm) : context_(EVP_MD_CTX_new()) {
  const std::unique_ptr<EVP_MD, FreeWith<EVP_MD_free>> hash(
      EVP_MD_fetch(legacy_context(), algorithm.c_str(), nullptr));
  if (!hash) missing(algorithm);
  require(context_ && EVP_DigestInit_ex2(context_.get(), hash.get(), nullptr) == 1,
          algorithm.c_str());
  output_bytes_ = static_cast<std::size_t>(EVP_MD_get_size(hash.get()));
}

NamedHash::NamedHash(NamedHash&&) noexcept = default;
NamedHash& NamedHash::operator=(NamedHash&&) noexcept = default;
NamedHash::~NamedHash() = default;

void NamedHash::digest(Bytes message, MutableBytes out) {
  require(EVP_DigestUpdate(context_.get(), message.data(), message.size()) == 1 &&
              EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1 &&
              EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) == 1,
          "hash");
}

}  // namespace qanat::crypto
