// Predictions of each sample from those before it, and how often they come true.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/secret.h"

namespace qanat::assess {

using Samples = std::span<const std::uint8_t>;

struct Hits {
  std::size_t hits = 0;
  std::size_t trials = 0;

  // Min-entropy that this many hits leave, bits per sample, with the 99 % upper bound of their
  // probability (SP 800-90B 6.3.1 step 2). 0 for fewer than two trials, 8 at most.
  double bits() const;
};

// Sees samples as they come. Not thread-safe; 330 KiB of secret memory, as counts of samples tell
// of them.
class Predictors {
 public:
  Predictors();
  void add(Samples samples);
  void reset();

  // 6.3.1: the most common value, which is known only afterwards: of 256 candidates.
  Hits most_common_value() const;
  // In the manner of 6.3.9 (MultiMMC), order 1: the commonest successor of the value before, so
  // far.
  Hits successor() const { return {successor_hits_, seen_ > 1 ? seen_ - 1 : 0}; }
  // The same of order 2, but what followed the two values before when they came last: learns from
  // one example, and finds what repeats at any distance.
  Hits repetition() const { return {repetition_hits_, seen_ > 2 ? seen_ - 2 : 0}; }
  // The least that they leave.
  double bits() const;

 private:
  static constexpr std::size_t values = 256;
  std::span<std::uint32_t> row(std::uint8_t before);

  std::array<std::uint32_t, values> counts_{};
  SecretBytes successors_;  // by value and successor, 32 bits each
  SecretBytes guesses_;     // by value: its commonest successor
  SecretBytes last_;        // by two values: what followed
  std::size_t seen_ = 0;
  std::size_t successor_hits_ = 0;
  std::size_t repetition_hits_ = 0;
  std::uint8_t before_ = 0;
  std::uint8_t before_that_ = 0;
};

}  // namespace qanat::assess
