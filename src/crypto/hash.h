// SHA-2 and HMAC (FIPS 180-4, FIPS 198-1), from OpenSSL.
#pragma once

#include <openssl/types.h>

#include <array>
#include <initializer_list>
#include <memory>

#include "base/bytes.h"

namespace qanat::crypto {

using Sha256Digest = std::array<std::uint8_t, 32>;
using Sha512Digest = std::array<std::uint8_t, 64>;

// Of the concatenation of `parts`.
Sha256Digest sha256(std::initializer_list<Bytes> parts);
Sha512Digest sha512(std::initializer_list<Bytes> parts);

// SHA-512 of many messages, one after the other, with one context. Not thread-safe. Throws Failure
// if the provider fails.
class Sha512 {
 public:
  static constexpr std::size_t output_bytes = 64;

  Sha512();
  Sha512(Sha512&&) noexcept;
  Sha512& operator=(Sha512&&) noexcept;
  ~Sha512();

  void update(Bytes part);
  // Writes 64 bytes and is ready for the next message.
  void finish(std::span<std::uint8_t, output_bytes> out);

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept;
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

// HMAC-SHA-512 under one key, for many messages: the key schedule is computed once. Not
// thread-safe. Throws Failure if the provider fails.
class HmacSha512 {
 public:
  static constexpr std::size_t output_bytes = 64;

  explicit HmacSha512(Bytes key);
  HmacSha512(HmacSha512&&) noexcept;
  HmacSha512& operator=(HmacSha512&&) noexcept;
  ~HmacSha512();

  void update(Bytes part);
  // Writes 64 bytes and is ready for the next message under the same key.
  void finish(std::span<std::uint8_t, output_bytes> out);

 private:
  struct Free {
    void operator()(EVP_MAC_CTX* context) const noexcept;
  };
  std::unique_ptr<EVP_MAC_CTX, Free> context_;
};

// One message, one key; 64 bytes into `out`.
void hmac_sha512(Bytes key, std::initializer_list<Bytes> parts,
                 std::span<std::uint8_t, HmacSha512::output_bytes> out);

// HKDF with SHA-512 (RFC 5869), from OpenSSL. out.size() at most 255 * 64. Throws Failure if the
// provider fails.
void hkdf_sha512(Bytes salt, Bytes input, Bytes info, MutableBytes out);

}  // namespace qanat::crypto
