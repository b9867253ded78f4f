// Time comes in as an argument in `assess`, `entropy`, `share`, `spec` and `wire`; these are the
// types it has, and the one place that reads the machine's clock, for those who do I/O.
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
