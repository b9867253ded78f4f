#include "entropy/combiner.h"

namespace qanat::entropy {

// One honest byte in `contributors`: so much min-entropy is in each byte of the whole.
Combiner::Combiner(ConditioningKey& key, std::size_t contributors, std::uint16_t domain)
    : key_(key),
      contributors_(contributors),
      conditioner_(key, 8.0 / static_cast<double>(contributors), domain) {}

void Combiner::combine(std::span<const Bytes> contributions, Bytes local, MutableBytes out) {
  key_.mix("local", local);
  for (std::size_t block = 0; block < out.size() / block_bytes; ++block) {
    for (std::size_t i = 0; i < contributors_; ++i) {
      conditioner_.absorb(contributions[i].subspan(block * share_bytes, share_bytes));
    }
    conditioner_.finish(
        std::span<std::uint8_t, block_bytes>(out.data() + block * block_bytes, block_bytes));
  }
}

}  // namespace qanat::entropy
