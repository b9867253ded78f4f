#include "entropy/drbg_pool.h"

#include <algorithm>
#include <utility>

namespace qanat::entropy {

DrbgPool::DrbgPool(std::size_t slots, ReseedPolicy policy,
                   std::function<void(std::size_t)> order_seed)
    : policy_(policy), order_seed_(std::move(order_seed)), unseeded_(slots) {
  for (std::size_t i = 0; i < slots; ++i) slots_.push_back(std::make_unique<Slot>());
}

void DrbgPool::start() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!seeded(i)) order(i);
  }
}

void DrbgPool::order(std::size_t index) {
  if (slots_[index]->ordered.exchange(true)) return;
  try {
    order_seed_(index);
  } catch (...) {
    order_again(index);
    throw;
  }
}

void DrbgPool::order_again(std::size_t index) {
  slots_[index]->reseed_wanted.store(true);
  slots_[index]->ordered.store(false);
}

void DrbgPool::seed(std::size_t index, Bytes full_entropy) {
  Slot& slot = *slots_[index];
  const MutexLock lock(slot.seed_mutex);
  std::copy_n(full_entropy.begin(), seed_bytes, slot.seed.view().begin());
  slot.seed_waiting.store(true, std::memory_order_release);
  if (!std::exchange(slot.ever_seeded, true)) unseeded_.fetch_sub(1, std::memory_order_release);
}

bool DrbgPool::seeded(std::size_t index) const {
  const Slot& slot = *slots_[index];
  const MutexLock lock(slot.seed_mutex);
  return slot.ever_seeded;
}

void DrbgPool::renew(const std::function<void(MutableBytes)>& local) {
  for (const auto& slot : slots_) {
    const MutexLock lock(slot->seed_mutex);
    local(slot->local.view());
    slot->reseed_wanted.store(true);
    slot->local_waiting.store(true, std::memory_order_release);
  }
}

void DrbgPool::take_local(Slot& slot) {
  const MutexLock lock(slot.seed_mutex);
  slot.drbg.reseed(slot.local.view());
  wipe(slot.local.view());
  slot.local_waiting.store(false);
}

void DrbgPool::take_seed(Slot& slot, TimePoint now) {
  const MutexLock lock(slot.seed_mutex);
  slot.drbg.reseed(slot.seed.view());
  wipe(slot.seed.view());
  slot.seed_waiting.store(false);
  slot.ordered.store(false);
  slot.last_reseed = now;
  slot.bytes_since_reseed = 0;
  reseeds_.fetch_add(1, std::memory_order_relaxed);
}

bool DrbgPool::generate(std::size_t index, MutableBytes out, TimePoint now) {
  Slot& slot = *slots_[index];
  // Ordered before it is looked for: where the reserve has a seed at once, this very output has it.
  if (!slot.drbg.seeded()) {
    order(index);
  } else if (slot.reseed_wanted.load(std::memory_order_relaxed) ||
             slot.bytes_since_reseed >= policy_.bytes ||
             now - slot.last_reseed >= policy_.interval) {
    slot.reseed_wanted.store(false);
    order(index);
  }
  if (slot.seed_waiting.load(std::memory_order_acquire)) take_seed(slot, now);
  if (!slot.drbg.seeded()) return false;
  // After the seed, which may be from before this machine was copied.
  if (slot.local_waiting.load(std::memory_order_acquire)) take_local(slot);
  slot.drbg.generate(out);
  slot.bytes_since_reseed += out.size();
  slot.bytes.store(slot.bytes.load(std::memory_order_relaxed) + out.size(),
                   std::memory_order_relaxed);
  return true;
}

DrbgPool::Counts DrbgPool::counts() const {
  Counts sum{.reseeds = reseeds_.load(std::memory_order_relaxed)};
  for (const auto& slot : slots_) sum.bytes += slot->bytes.load(std::memory_order_relaxed);
  return sum;
}

}  // namespace qanat::entropy
