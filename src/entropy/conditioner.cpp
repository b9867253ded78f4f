#include "entropy/conditioner.h"

#include <algorithm>
#include <cmath>

namespace qanat::entropy {
namespace {

Bytes bytes_of(const std::uint64_t& number) {
  return {reinterpret_cast<const std::uint8_t*>(&number), sizeof number};
}

}  // namespace

ConditioningKey::ConditioningKey(Bytes seed) : key_(block_bytes) { mix("start", seed); }

void ConditioningKey::mix(std::string_view label, Bytes input) {
  const std::scoped_lock lock(mutex_);
  const std::uint64_t size = input.size();
  WipedArray<block_bytes> next;
  crypto::hmac_sha512(key_.view(), {as_bytes("mix "), as_bytes(label), bytes_of(size), input},
                      std::span<std::uint8_t, block_bytes>(next.data(), block_bytes));
  std::copy_n(next.data(), block_bytes, key_.view().begin());
  generation_.fetch_add(1, std::memory_order_release);
}

crypto::HmacSha512 ConditioningKey::keyed() const {
  const std::scoped_lock lock(mutex_);
  return crypto::HmacSha512(key_.view());
}

Conditioner::Conditioner(ConditioningKey& key, double h, std::uint64_t domain)
    : key_(key),
      domain_(domain),
      samples_per_block_(static_cast<unsigned>(std::ceil(input_bits / h))),
      generation_(key.generation()),
      mac_(key.keyed()) {}

void Conditioner::begin() {
  if (generation_ != key_.generation()) {
    generation_ = key_.generation();
    mac_ = key_.keyed();
  }
  ++counter_;
  mac_.update(bytes_of(domain_));
  mac_.update(bytes_of(counter_));
}

std::size_t Conditioner::absorb(Bytes samples) {
  if (absorbed_ == 0 && !samples.empty()) begin();
  const std::size_t n = std::min<std::size_t>(samples.size(), samples_per_block_ - absorbed_);
  mac_.update(samples.first(n));
  absorbed_ += static_cast<unsigned>(n);
  return n;
}

void Conditioner::finish(std::span<std::uint8_t, block_bytes> out) {
  mac_.finish(out);
  absorbed_ = 0;
}

void Conditioner::forfeit() {
  if (absorbed_ == 0) return;
  WipedArray<block_bytes> block;
  finish(std::span<std::uint8_t, block_bytes>(block.data(), block_bytes));
  key_.mix("forfeit", block.view());
}

}  // namespace qanat::entropy
