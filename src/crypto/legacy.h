// Ciphers and hashes that only old protocols still ask for. Some live in OpenSSL's legacy provider:
// it is loaded into a library context of its own, so that nothing else in the program can use them
// by accident.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace qanat::crypto {

// A cipher in CFB mode with full-block feedback (SP 800-38A, 6.3), as one stream: its state runs on
// over calls of any length. Not thread-safe.
class CfbStream {
 public:
  enum class Direction { encrypt, decrypt };

  // `algorithm`: OpenSSL's name, "AES-128-CFB". Key and IV have the lengths it
  // takes. Throws
  // Failure when the algorithm is not to be had here.
  CfbStream(const std::string& algorithm, Bytes key, Bytes iv, Direction direction);
  CfbStream(CfbStream&&) noexcept;
  CfbStream& operator=(CfbStream&&) noexcept;
  ~CfbStream();

  // In place. Throws Failure if the provider fails.
  void process(MutableBytes data);
  // Takes over the state of another stream of the same algorithm.
  void copy_state(const CfbStream& other);

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const noexcept;
  };
  std::unique_ptr<EVP_CIPHER_CTX, Free> context_;
};

// A hash by OpenSSL's name, "MD5" or "WHIRLPOOL". Not thread-safe.
class NamedHash {
 public:
  // Throws Failure when the algorithm is not to be had here.
  explicit NamedHash(const std::string& algorithm);
  NamedHash(NamedHash&&) noexcept;
  NamedHash& operator=(NamedHash&&) noexcept;
  ~NamedHash();

  std::size_t output_bytes() const { return output_bytes_; }
  // out.size() == output_bytes(). Throws Failure if the provider fails.
  void digest(Bytes message, MutableBytes out);

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept;
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
  std::size_t output_bytes_ = 0;
};

}  // namespace qanat::crypto
