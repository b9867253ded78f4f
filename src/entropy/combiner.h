// Full-entropy bytes of several other nodes, of whom one is honest.
//
// Each block of 64 bytes is the conditioning of 72 bytes from each of K contributors:
//
//   block = SHA-512(key | domain | counter | c_1 | ... | c_K)
//
// The honest one's 576 bits alone pay for the 512 (SP 800-90C), whatever the others sent: zeros,
// what they sent before, or what they chose after they had seen the rest. XOR would do against the
// first two, but the last to contribute could then set every bit of the result; here it can only
// try inputs and keep the best, and not even that without the key, into which local noise went
// after it had committed itself. docs/threat-model.md has the argument and the literature.
#pragma once

#include <span>
#include <vector>

#include "entropy/conditioner.h"

namespace qanat::entropy {

// Not thread-safe.
class Combiner {
 public:
  // Bytes that each contributor gives for a block.
  static constexpr std::size_t share_bytes = input_bits / 8;

  Combiner(ConditioningKey& key, std::size_t contributors, std::uint16_t domain);

  // `contributions`: as many as contributors, each of out.size() / block_bytes * share_bytes.
  // out.size() is a multiple of block_bytes. Mixes `local` into the key first.
  void combine(std::span<const Bytes> contributions, Bytes local, MutableBytes out);

 private:
  ConditioningKey& key_;
  const std::size_t contributors_;
  Conditioner conditioner_;
};

}  // namespace qanat::entropy
