// How long answers take: counts by duration, cheap enough for each of them.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace qanat::observe {

// Upper ends of the buckets, in seconds; the last has none. An answer of grade drbg takes some
// 50 us, and the longest wait for grade full that a client can ask for is ten minutes.
inline constexpr std::array<double, 18> latency_bounds{
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
    0.05,    0.1,    0.25,    0.5,    1,     2.5,    10,    60,   600};

struct LatencyCounts {
  std::array<std::uint64_t, latency_bounds.size() + 1> counts{};
  double sum = 0;  // seconds

  LatencyCounts& operator+=(const LatencyCounts& other) {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
    sum += other.sum;
    return *this;
  }
};

// Written by one thread, read by any. Relaxed: statistics only.
class Latency {
 public:
  // `times`: so many answers took as long, as those of a batch do.
  void add(Duration took, std::uint64_t times = 1) {
    took = std::max(took, Duration::zero());
    const double value = seconds(took);
    std::size_t i = 0;
    while (i < latency_bounds.size() && value > latency_bounds[i]) ++i;
    bump(counts_[i], times);
    bump(nanoseconds_, static_cast<std::uint64_t>(
                           std::chrono::duration_cast<std::chrono::nanoseconds>(took).count()) *
                           times);
  }
  LatencyCounts counts() const {
    LatencyCounts out;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      out.counts[i] = counts_[i].load(std::memory_order_relaxed);
    }
    out.sum = static_cast<double>(nanoseconds_.load(std::memory_order_relaxed)) / 1e9;
    return out;
  }

 private:
  using Count = std::atomic<std::uint64_t>;
  // No other writes it: no locked instruction is needed.
  static void bump(Count& count, std::uint64_t by) {
    count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }

  std::array<Count, latency_bounds.size() + 1> counts_{};
  Count nanoseconds_{0};
};

}  // namespace qanat::observe
