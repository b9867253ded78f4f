// What is agreed with one who draws.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace qanat::share {

struct Terms {
  std::uint64_t rate = 0;  // guaranteed, bytes per second; 0: none
  std::uint64_t burst =
      0;              // of the guarantee, bytes at once after a pause; 0: a second of the rate
  double weight = 1;  // in sharing what guarantees leave

  bool operator==(const Terms&) const = default;
};

inline constexpr double least_weight = 0.001;
inline constexpr double most_weight = 1000;
// A full-entropy rate beyond this is a slip of the pen: some 50 times what RDSEED gives.
inline constexpr std::uint64_t most_rate = std::uint64_t{1} << 30;
inline constexpr std::uint64_t most_burst = std::uint64_t{1} << 30;

// An Error says which value is impossible and what would be right.
Result<void> check(const Terms& terms);

}  // namespace qanat::share
