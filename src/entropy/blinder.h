// Full-entropy bytes of another node, one to one.
//
// Each transfer is XORed with a pad that only this node can know: HMAC-SHA-512 under the
// conditioning key, into which local timing noise and the arrival time of these very bytes were
// mixed first. XOR with an independent pad is a bijection: full entropy stays full, and nothing is
// lost as in hashing (64 bits a block). And whoever sent, saw or chose the bytes neither knows nor
// steers what comes out, as long as one local source is good.
#pragma once

#include "entropy/conditioner.h"

namespace qanat::entropy {

// Not thread-safe.
class Blinder {
 public:
  Blinder(ConditioningKey& key, std::uint64_t domain) : key_(key), domain_(domain) {}

  // Mixes `local` into the key, then blinds `bytes` in place.
  void blind(MutableBytes bytes, Bytes local);

 private:
  ConditioningKey& key_;
  const std::uint64_t domain_;
  std::uint64_t counter_ = 0;
};

}  // namespace qanat::entropy
