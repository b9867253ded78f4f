// When to try again, so that ten thousand clients of one lost hub do not return as one.
#pragma once

#include <cstdint>
#include <random>

#include "base/clock.h"

namespace qanat {

// Exponential back-off with full jitter: the n-th delay is uniform in [floor, min(cap, base *
// 2^n)]. Brooker, "Exponential Backoff And Jitter" (2015), found full jitter to need the fewest
// calls. Deterministic for a given seed, so that simulations can be replayed. Not thread-safe.
class Backoff {
 public:
  Backoff(Duration base, Duration cap, std::uint64_t seed, Duration floor = Duration::zero())
      : base_(base), cap_(cap), floor_(floor), random_(seed) {}

  Duration next();
  // After a success: the next delay is the first again.
  void reset() { attempts_ = 0; }

 private:
  Duration base_;
  Duration cap_;
  Duration floor_;
  unsigned attempts_ = 0;
  std::mt19937_64 random_;
};

}  // namespace qanat
