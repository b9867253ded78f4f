#include "base/timing_noise.h"

#include <time.h>

#include <array>
#include <cstring>
#include <utility>

namespace qanat {
namespace {

std::uint64_t nanoseconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1000000000U + static_cast<std::uint64_t>(t.tv_nsec);
}

// Beyond a second-level cache's reach, and a walk that no prefetcher follows. Measured on an AMD
// EPYC virtual machine (docs/sources.md): with 64 KiB walked in order, a predictor from the last
// two samples found 0.4 bits a sample; with these numbers 4.4 bits, at 0.4 million samples a
// second.
constexpr std::size_t memory_bytes = 1 << 20;
constexpr int accesses = 256;

}  // namespace

void TimingNoise::work() {
  // volatile: the accesses are the point, not their result.
  volatile std::uint8_t* const memory = memory_.data();
  for (int i = 0; i < accesses; ++i) {
    // Knuth's MMIX generator, disturbed by what the memory holds: each address depends on the
    // access before it.
    walk_ = walk_ * 6364136223846793005U + 1442695040888963407U;
    const std::size_t at = (walk_ >> 20) % memory_bytes;
    const std::uint8_t value = memory[at];
    memory[at] = static_cast<std::uint8_t>(value + 1);
    walk_ += value;
  }
}

std::uint64_t TimingNoise::delta() {
  work();
  const std::uint64_t now = ticks();
  return now - std::exchange(last_, now);
}

void TimingNoise::fill(MutableBytes samples) {
  // Of those who may need it, few do.
  const bool first = memory_.empty();
  memory_.resize(memory_bytes);
  last_ = ticks();
  if (first) {
    for (int i = 0; i < 64; ++i) step_.add(delta());
  }
  for (std::uint8_t& sample : samples) sample = static_cast<std::uint8_t>(delta() / step_.get());
}

void TimingNoise::fill_with_times(MutableBytes out) {
  fill(out.first(out.size() - 32));
  write_timestamps(out.last<32>());
}

void write_timestamps(std::span<std::uint8_t, 32> out) {
  const std::array<std::uint64_t, 4> times{nanoseconds(CLOCK_REALTIME),
                                           nanoseconds(CLOCK_MONOTONIC),
                                           nanoseconds(CLOCK_BOOTTIME), ticks()};
  std::memcpy(out.data(), times.data(), sizeof times);
}

}  // namespace qanat
