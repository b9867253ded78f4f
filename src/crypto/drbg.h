// CTR_DRBG with AES-256 (SP 800-90A Rev. 1, 10.2.1, with derivation function), from OpenSSL.
#pragma once

#include <openssl/types.h>

#include <memory>

#include "base/bytes.h"

namespace qanat::crypto {

// Instantiated from the operating system's entropy and unusable until the first reseed with ours.
// Not thread-safe: one a thread.
class CtrDrbg {
 public:
  // Entropy input of one reseed: 256 bits of security strength and, as SP 800-90A 8.6.7 asks of a
  // nonce, half as much again.
  static constexpr std::size_t seed_bytes = 48;
  // SP 800-90A table 3: 2^19 bits a request.
  static constexpr std::size_t max_request_bytes = 65536;

  CtrDrbg();
  CtrDrbg(CtrDrbg&&) noexcept;
  CtrDrbg& operator=(CtrDrbg&&) noexcept;
  ~CtrDrbg();  // OpenSSL wipes the state

  // `entropy` is full-entropy input, at least 32 bytes. Throws Failure if the provider refuses.
  void reseed(Bytes entropy);
  bool seeded() const { return seeded_; }
  // Any size; in requests of at most max_request_bytes. Throws Failure when not seeded.
  void generate(MutableBytes out);

 private:
  struct Free {
    void operator()(EVP_RAND_CTX* context) const noexcept;
  };
  std::unique_ptr<EVP_RAND_CTX, Free> context_;
  bool seeded_ = false;
};

}  // namespace qanat::crypto
