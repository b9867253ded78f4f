#include "crypto/drbg.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>

#include "crypto/openssl.h"

namespace qanat::crypto {
namespace {

EVP_RAND* ctr_drbg() {
  static EVP_RAND* const algorithm = EVP_RAND_fetch(nullptr, "CTR-DRBG", nullptr);
  require(algorithm != nullptr, "CTR_DRBG");
  return algorithm;
}

constexpr unsigned strength_bits = 256;

}  // namespace

void CtrDrbg::Free::operator()(EVP_RAND_CTX* context) const noexcept { EVP_RAND_CTX_free(context); }

CtrDrbg::CtrDrbg() : context_(EVP_RAND_CTX_new(ctr_drbg(), nullptr)) {
  char cipher[] = "AES-256-CTR";
  // Reseeding is decided by the pool, from our own entropy: OpenSSL's own limits, which would pull
  // from getrandom, are set out of the way (SP 800-90A allows 2^48 requests).
  unsigned interval = 0;
  time_t time_interval = 0;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher, 0),
      OSSL_PARAM_construct_uint(OSSL_DRBG_PARAM_RESEED_REQUESTS, &interval),
      OSSL_PARAM_construct_time_t(OSSL_DRBG_PARAM_RESEED_TIME_INTERVAL, &time_interval),
      OSSL_PARAM_construct_end()};
  static constexpr std::string_view personalisation = "qanat CTR_DRBG 1";
  require(context_ && EVP_RAND_instantiate(context_.get(), strength_bits, 0,
                                           as_bytes(personalisation).data(), personalisation.size(),
                                           parameters) == 1,
          "CTR_DRBG instantiate");
}

CtrDrbg::CtrDrbg(CtrDrbg&&) noexcept = default;
CtrDrbg& CtrDrbg::operator=(CtrDrbg&&) noexcept = default;
CtrDrbg::~CtrDrbg() = default;

void CtrDrbg::reseed(Bytes entropy) {
  require(EVP_RAND_reseed(context_.get(), 0, entropy.data(), entropy.size(), nullptr, 0) == 1,
          "CTR_DRBG reseed");
  seeded_ = true;
}

void CtrDrbg::generate(MutableBytes out) {
  if (!seeded_) throw Failure("CTR_DRBG: asked for output before the first seed");
  while (!out.empty()) {
    const std::size_t n = std::min(out.size(), max_request_bytes);
    require(EVP_RAND_generate(context_.get(), out.data(), n, strength_bits, 0, nullptr, 0) == 1,
            "CTR_DRBG generate");
    out = out.subspan(n);
  }
}

}  // namespace qanat::crypto
