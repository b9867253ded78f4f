// One CTR_DRBG a thread, all seeded from the reserve.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/secret.h"
#include "crypto/drbg.h"

namespace qanat::entropy {

// What a seed of a DRBG's output may be worth to who takes it: no more than the DRBG's strength,
// 256 bits.
inline constexpr std::size_t drbg_credit_bytes = 32;

struct ReseedPolicy {
  // Counted from use: an idle DRBG spends nothing.
  Duration interval = std::chrono::seconds(60);
  std::uint64_t bytes = 64ULL << 20;
};

// Slot i belongs to thread i: `generate(i, ...)` is called by that thread alone. Everything else is
// thread-safe.
class DrbgPool {
 public:
  static constexpr std::size_t seed_bytes = crypto::CtrDrbg::seed_bytes;

  // `order_seed(slot)` asks for seed_bytes of full entropy, to be given to `seed` when there are
  // such, on whatever thread. A reseed that the reserve cannot afford is late, and output goes on:
  // SP 800-90A allows 2^48 requests between reseeds.
  DrbgPool(std::size_t slots, ReseedPolicy policy, std::function<void(std::size_t)> order_seed);

  // Orders the first seed of every slot that has neither one nor an order, now. Without this each
  // is ordered when the slot is first asked to generate.
  void start();
  // What was ordered for this slot will not come. The next `generate` or `start` orders it again.
  void order_again(std::size_t slot);
  void seed(std::size_t slot, Bytes full_entropy);
  // This machine may be a copy of another: before its next output every slot is reseeded with
  // seed_bytes from `local`, which count nothing (each slot its own), and orders a seed of the
  // reserve's (SP 800-90A 9.2, on demand).
  void renew(const std::function<void(MutableBytes)>& local);

  // Whether this slot has had its first seed.
  bool seeded(std::size_t slot) const;
  // Whether every slot has its first seed.
  bool ready() const { return unseeded_.load(std::memory_order_acquire) == 0; }
  // False, and nothing written, before the slot's first seed, which is ordered then.
  bool generate(std::size_t slot, MutableBytes out, TimePoint now);

  struct Counts {
    std::uint64_t reseeds = 0;
    std::uint64_t bytes = 0;  // generated
  };
  Counts counts() const;

 private:
  struct Slot {
    crypto::CtrDrbg drbg;
    TimePoint last_reseed{};
    std::uint64_t bytes_since_reseed = 0;
    std::atomic<bool> ordered{false};
    std::atomic<bool> reseed_wanted{false};
    std::atomic<bool> seed_waiting{false};
    std::atomic<bool> local_waiting{false};
    std::atomic<std::uint64_t> bytes{0};
    mutable Mutex seed_mutex;  // of the next three
    bool ever_seeded GUARDED_BY(seed_mutex) = false;
    SecretBytes seed GUARDED_BY(seed_mutex){seed_bytes};
    SecretBytes local GUARDED_BY(seed_mutex){seed_bytes};
  };

  void take_seed(Slot& slot, TimePoint now);
  void take_local(Slot& slot);
  void order(std::size_t index);

  const ReseedPolicy policy_;
  const std::function<void(std::size_t)> order_seed_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::atomic<std::size_t> unseeded_;
  std::atomic<std::uint64_t> reseeds_{0};
};

}  // namespace qanat::entropy
