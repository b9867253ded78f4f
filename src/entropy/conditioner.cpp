#include "entropy/conditioner.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace qanat::entropy {
namespace {

Bytes bytes_of(const std::uint64_t& number) {
  return {reinterpret_cast<const std::uint8_t*>(&number), sizeof number};
}

// Rounded up, but not for a division's last bit: 576 / (8 / 3) is 216 samples.
unsigned samples_for(double h) {
  constexpr double rounding = 1e-9;
  return static_cast<unsigned>(std::ceil(input_bits / h - rounding));
}

constexpr std::size_t prefix_bytes =
    ConditioningKey::bytes + sizeof(std::uint16_t) + sizeof(std::uint32_t);
// With 72 samples (h = 8) and SHA-512's own 17 bytes of padding: one compression of 128 bytes.
static_assert(prefix_bytes + 72 + 17 <= 128);

}  // namespace

ConditioningKey::ConditioningKey(Bytes seed) : key_(bytes) { mix("start", seed); }

void ConditioningKey::mix(std::string_view label, Bytes input) {
  const MutexLock lock(mutex_);
  const std::uint64_t size = input.size();
  WipedArray<crypto::HmacSha512::output_bytes> next;
  crypto::hmac_sha512(key_.view(), {as_bytes("mix "), as_bytes(label), bytes_of(size), input},
                      std::span<std::uint8_t, next.size()>(next.data(), next.size()));
  std::copy_n(next.data(), bytes, key_.view().begin());
  generation_.fetch_add(1, std::memory_order_release);
}

void ConditioningKey::copy(std::span<std::uint8_t, bytes> out) const {
  const MutexLock lock(mutex_);
  std::copy_n(key_.view().begin(), bytes, out.begin());
}

crypto::HmacSha512 ConditioningKey::keyed() const {
  const MutexLock lock(mutex_);
  return crypto::HmacSha512(key_.view());
}

Conditioner::Conditioner(ConditioningKey& key, double h, std::uint16_t domain)
    : key_(key),
      domain_(domain),
      samples_per_block_(samples_for(h)),
      generation_(key.generation()),
      prefix_(prefix_bytes) {
  key_.copy(prefix_.view().first<ConditioningKey::bytes>());
  std::memcpy(prefix_.view().data() + ConditioningKey::bytes, &domain_, sizeof domain_);
}

void Conditioner::begin() {
  if (generation_ != key_.generation()) {
    generation_ = key_.generation();
    key_.copy(prefix_.view().first<ConditioningKey::bytes>());
  }
  // The counter may wrap after 2^32 blocks: the key has changed a hundred million times by then.
  ++counter_;
  std::memcpy(prefix_.view().data() + prefix_bytes - sizeof counter_, &counter_, sizeof counter_);
  hash_.update(prefix_.view());
}

std::size_t Conditioner::absorb(Bytes samples) {
  if (absorbed_ == 0 && !samples.empty()) begin();
  const std::size_t n = std::min<std::size_t>(samples.size(), samples_per_block_ - absorbed_);
  hash_.update(samples.first(n));
  absorbed_ += static_cast<unsigned>(n);
  return n;
}

void Conditioner::finish(std::span<std::uint8_t, block_bytes> out) {
  hash_.finish(out);
  absorbed_ = 0;
}

void Conditioner::forfeit() {
  if (absorbed_ == 0) return;
  WipedArray<block_bytes> block;
  finish(std::span<std::uint8_t, block_bytes>(block.data(), block_bytes));
  key_.mix("forfeit", block.view());
}

}  // namespace qanat::entropy
