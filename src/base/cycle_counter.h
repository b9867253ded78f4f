// The finest clock of this machine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace qanat {

// Reads the time-stamp counter on x86-64, CLOCK_MONOTONIC_RAW in nanoseconds elsewhere.
std::uint64_t ticks();

// What a clock advances by: some do so in steps of more than one, and their low bits say nothing.
// It is the common divisor of the differences that it has seen. Not thread-safe.
class TickStep {
 public:
  void add(std::uint64_t delta) { common_ = std::gcd(common_, delta); }
  std::uint64_t get() const { return std::max<std::uint64_t>(common_, 1); }

 private:
  std::uint64_t common_ = 0;
};

}  // namespace qanat
