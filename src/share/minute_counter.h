// How much in the last minute.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace qanat::share {

// Twelve boxes of five seconds and the one that is being filled. Thread-safe and without locks: at
// the moment when a box is taken for a new time, a count by another thread may go astray. For
// people to look at.
class MinuteCounter {
 public:
  void add(std::uint64_t amount, TimePoint now) {
    const std::int64_t age = age_of(now);
    Box& box = boxes_[static_cast<std::size_t>(age) % boxes];
    if (box.age.exchange(age, std::memory_order_relaxed) != age) {
      box.amount.store(amount, std::memory_order_relaxed);
    } else {
      box.amount.fetch_add(amount, std::memory_order_relaxed);
    }
  }
  // Between 55 and 60 seconds' worth.
  std::uint64_t sum(TimePoint now) const {
    const std::int64_t newest = age_of(now);
    std::uint64_t sum = 0;
    for (const Box& box : boxes_) {
      const std::int64_t age = box.age.load(std::memory_order_relaxed);
      if (age > newest - static_cast<std::int64_t>(boxes - 1) && age <= newest) {
        sum += box.amount.load(std::memory_order_relaxed);
      }
    }
    return sum;
  }

 private:
  static constexpr std::size_t boxes = 13;
  static constexpr Duration box_time = std::chrono::seconds(5);
  struct Box {
    std::atomic<std::int64_t> age{-1};
    std::atomic<std::uint64_t> amount{0};
  };
  static std::int64_t age_of(TimePoint now) { return now.time_since_epoch() / box_time; }

  std::array<Box, boxes> boxes_;
};

}  // namespace qanat::share
