// Time comes in as an argument everywhere below `node`; these are the types it has, and the one
// place that reads the machine's clock.
#pragma once

#include <chrono>

namespace qanat {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

// CLOCK_MONOTONIC. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const { return std::chrono::steady_clock::now(); }
};

inline double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace qanat
