// Conditioning: assessed samples in, full-entropy blocks out.
//
//   block = SHA-512(key | domain | counter | samples)
//
// An approved hash function is a vetted conditioning component (SP 800-90B 3.1.5.1.1). For n_out =
// 512 bits it takes at least n_out + 64 = 576 bits of assessed min-entropy (SP 800-90C,
// full-entropy output). Chosen by measurement (bench/parts): HMAC-SHA-512 runs at 0.4 of the bare
// hash's speed at h = 8, this at 0.9, as key, counter and 72 samples fit one compression; SHA-256
// would be faster yet, but yields 0.80 output bits per assessed bit instead of 0.89, and sources
// are the bottleneck.
//
// The key need not be secret for the credit to hold. It is made of everything that is *not*
// credited: start-up and rejected windows, sources of credit 0, and one window in sixteen of each
// credited source. So each block depends on every source, and a source that lies, or that knows
// what another gave, neither predicts nor cancels a block while one of them is good.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/mutex.h"
#include "base/secret.h"
#include "crypto/hash.h"

namespace qanat::entropy {

constexpr std::size_t block_bytes = 64;
constexpr unsigned output_bits = 512;
constexpr unsigned input_bits = output_bits + 64;

// The key that all conditioners of a node share. Thread-safe.
class ConditioningKey {
 public:
  // Begins with `seed`, which may be anything.
  explicit ConditioningKey(Bytes seed);

  static constexpr std::size_t bytes = 32;

  // key = HMAC-SHA-512(key, label | length | input), the first 256 bits: what was once mixed in
  // stays in.
  void mix(std::string_view label, Bytes input);
  // The key as it is now.
  void copy(std::span<std::uint8_t, bytes> out) const;
  // An HMAC under it.
  crypto::HmacSha512 keyed() const;
  // Goes up with every mix.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  mutable Mutex mutex_;
  SecretBytes key_ GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> generation_{0};
};

// Of one source; not thread-safe.
class Conditioner {
 public:
  // `h`: assessed min-entropy per sample of one byte, bits, in (0, 8]. `domain` differs between
  // the conditioners of a node, so that equal samples never make equal blocks.
  Conditioner(ConditioningKey& key, double h, std::uint16_t domain);

  // Takes samples until a block is complete or `samples` is used up; the number taken. When
  // `complete()`, the block must be fetched with `finish` before more is absorbed.
  std::size_t absorb(Bytes samples);
  bool complete() const { return absorbed_ == samples_per_block_; }
  void finish(std::span<std::uint8_t, block_bytes> out);
  // Samples absorbed since the last block lose their credit: they go into the key instead.
  void forfeit();

  unsigned samples_per_block() const { return samples_per_block_; }

 private:
  void begin();

  ConditioningKey& key_;
  const std::uint16_t domain_;
  unsigned samples_per_block_;
  unsigned absorbed_ = 0;
  std::uint64_t generation_;
  std::uint32_t counter_ = 0;
  SecretBytes prefix_;  // key | domain | counter
  crypto::Sha512 hash_;
};

}  // namespace qanat::entropy
