#include "entropy/blinder.h"

#include <algorithm>

namespace qanat::entropy {

void Blinder::blind(MutableBytes bytes, Bytes local) {
  key_.mix("arrival", local);
  crypto::HmacSha512 mac = key_.keyed();
  WipedArray<block_bytes> pad;
  while (!bytes.empty()) {
    ++counter_;
    mac.update(as_bytes("blind"));
    mac.update({reinterpret_cast<const std::uint8_t*>(&domain_), sizeof domain_});
    mac.update({reinterpret_cast<const std::uint8_t*>(&counter_), sizeof counter_});
    mac.finish(std::span<std::uint8_t, block_bytes>(pad.data(), block_bytes));
    const std::size_t n = std::min(bytes.size(), block_bytes);
    for (std::size_t i = 0; i < n; ++i) bytes[i] ^= pad.data()[i];
    bytes = bytes.subspan(n);
  }
}

}  // namespace qanat::entropy
