// Two estimates of SP 800-90B 6.3 over the last samples, always: what people look at to see a
// source change. They decide nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "assess/predictors.h"
#include "base/secret.h"

namespace qanat::assess {

// Of samples of 8 bits, over a window that slides by blocks: between 61,440 and 65,536 samples once
// there have been so many. Two additions and two look-ups a sample. Not thread-safe; 12 KiB of
// secret memory, as counts of samples tell of them.
class RunningEstimate {
 public:
  static constexpr std::size_t block_samples = 4096;
  static constexpr std::size_t blocks = 16;
  // Below that many the bounds of both say more of their number than of the source.
  static constexpr std::size_t least_samples = 1024;

  // Bits per sample, 0 to 8. Even a perfect source is at some 7.6 by the first: it is a lower bound
  // at 99 %, and of 256 values one is always the most common.
  struct Result {
    double most_common_value = 0;  // 6.3.1
    double markov = 0;             // 6.3.3, on the bits of the samples, first the high ones
    std::uint64_t samples = 0;     // that they rest on

    double least() const { return most_common_value < markov ? most_common_value : markov; }
  };

  RunningEstimate();
  void add(Samples samples);
  // nullopt: too few samples.
  std::optional<Result> result() const;

 private:
  static constexpr std::size_t values = 256;
  // Counts of a block: by value, then of the pairs of successive bits 00, 01, 10, 11.
  static constexpr std::size_t pairs = 4;
  static constexpr std::size_t counts = values + pairs;

  std::span<std::uint32_t> totals() const;
  std::span<std::uint16_t> block(std::size_t index) const;
  void begin_block();

  SecretBytes memory_;      // the totals, then the blocks
  std::size_t at_ = 0;      // the block that is filled
  std::size_t filled_ = 0;  // samples in it
  std::size_t seen_ = 0;    // samples in all blocks
  unsigned last_bit_ = 0;   // of the sample before
  bool any_ = false;
};

}  // namespace qanat::assess
