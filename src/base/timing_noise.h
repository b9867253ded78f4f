// Raw CPU timing noise: how long the same small piece of work takes, again and again.
//
// Caches, the memory bus, interrupts and the frequency governor make it vary (Müller,
// "CPU Time Jitter Based Non-Physical True Random Number Generator"). The `jitter` source tests and
// credits it; others mix a little of it in, uncredited.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/cycle_counter.h"

namespace qanat {

// Not thread-safe: one an owner, 1 MiB from its first use on.
class TimingNoise {
 public:
  // One raw time delta a byte: the low 8 bits, in units of the clock's own step. Some 2.5 us a
  // sample.
  void fill(MutableBytes samples);
  // The same, and in the last 32 bytes when it was (write_timestamps): what only this machine knows
  // at this moment, to be mixed in last. out.size() >= 32; usually local_bytes, 64 of them noise.
  void fill_with_times(MutableBytes out);
  static constexpr std::size_t local_bytes = 64 + 32;

 private:
  std::uint64_t delta();
  void work();

  std::vector<std::uint8_t> memory_;
  std::uint64_t walk_ = 0;
  std::uint64_t last_ = 0;
  TickStep step_;
};

// CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME in nanoseconds and, where there is one, the cycle
// counter: 32 bytes of when something happened, to be mixed in.
void write_timestamps(std::span<std::uint8_t, 32> out);

}  // namespace qanat
