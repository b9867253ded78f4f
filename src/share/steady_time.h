// Time as callers bring it, without its jumps.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace qanat::share {

// Of a steady clock, which may jump all the same (a machine that is restored, a hypervisor's
// mistake): promises and shares go by what has passed, and a jump back is no time at all. Not
// thread-safe.
class SteadyTime {
 public:
  // Threads read the clock before they take a lock: so far back a time may lie without a jump.
  static constexpr Duration disorder = std::chrono::seconds(1);

  // `brought`: by a caller, just now. The time that it is; it never goes back.
  TimePoint advance(TimePoint brought) {
    if (brought_ - brought > disorder) {
      skew_ += brought_ - brought;
      brought_ = brought;
    }
    brought_ = std::max(brought_, brought);
    return now_ = std::max(now_, brought_ + skew_);
  }
  TimePoint now() const { return now_; }

 private:
  TimePoint brought_{};  // the last one
  TimePoint now_{};      // and the same, without jumps back
  Duration skew_{};      // their difference
};

}  // namespace qanat::share
