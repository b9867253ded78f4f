#include "assess/running_estimate.h"

#include <algorithm>
#include <cmath>

namespace qanat::assess {
namespace {

// The seven pairs of successive bits within a byte, a count of four bits each: 00, 01, 10, 11.
constexpr std::array<std::uint16_t, 256> make_pair_counts() {
  std::array<std::uint16_t, 256> table{};
  for (unsigned value = 0; value < 256; ++value) {
    unsigned packed = 0;
    for (unsigned bit = 7; bit > 0; --bit) {
      const unsigned pair = (value >> (bit - 1)) & 3U;
      packed += 1U << (4 * pair);
    }
    table[value] = static_cast<std::uint16_t>(packed);
  }
  return table;
}
constexpr std::array<std::uint16_t, 256> pair_counts = make_pair_counts();

// Of the 128 bits of the likeliest sequence (6.3.3 step 4): no other has a higher probability than
// the likeliest of these six forms.
constexpr double sequence_bits = 128;

double log2_of(double p) { return p > 0 ? std::log2(p) : -1e9; }

double markov_bits(std::span<const std::uint32_t> pairs) {
  const double n00 = pairs[0];
  const double n01 = pairs[1];
  const double n10 = pairs[2];
  const double n11 = pairs[3];
  const double from0 = n00 + n01;
  const double from1 = n10 + n11;
  const double all = from0 + from1;
  const double p0 = log2_of(from0 / all);
  const double p1 = log2_of(from1 / all);
  const double p00 = from0 > 0 ? log2_of(n00 / from0) : log2_of(0);
  const double p01 = from0 > 0 ? log2_of(n01 / from0) : log2_of(0);
  const double p10 = from1 > 0 ? log2_of(n10 / from1) : log2_of(0);
  const double p11 = from1 > 0 ? log2_of(n11 / from1) : log2_of(0);
  const double steps = sequence_bits - 1;
  const double half = sequence_bits / 2;
  const double likeliest = std::max({p0 + steps * p00,                    // 000...
                                     p0 + half * p01 + (half - 1) * p10,  // 0101...
                                     p0 + p01 + (steps - 1) * p11,        // 0111...
                                     p1 + p10 + (steps - 1) * p00,        // 1000...
                                     p1 + half * p10 + (half - 1) * p01,  // 1010...
                                     p1 + steps * p11});                  // 111...
  return std::clamp(8 * -likeliest / sequence_bits, 0.0, 8.0);
}

}  // namespace

RunningEstimate::RunningEstimate()
    : memory_(counts * sizeof(std::uint32_t) + blocks * counts * sizeof(std::uint16_t)) {}

std::span<std::uint32_t> RunningEstimate::totals() const {
  return {reinterpret_cast<std::uint32_t*>(
              const_cast<std::uint8_t*>(memory_.view().data())),  // NOLINT: ours
          counts};
}

std::span<std::uint16_t> RunningEstimate::block(std::size_t index) const {
  const std::size_t begin = counts * sizeof(std::uint32_t) + index * counts * sizeof(std::uint16_t);
  return {reinterpret_cast<std::uint16_t*>(const_cast<std::uint8_t*>(memory_.view().data()) +
                                           begin),  // NOLINT: ours
          counts};
}

// The oldest goes out.
void RunningEstimate::begin_block() {
  at_ = (at_ + 1) % blocks;
  filled_ = 0;
  const auto sum = totals();
  const auto oldest = block(at_);
  std::size_t samples = 0;
  for (std::size_t i = 0; i < counts; ++i) {
    sum[i] -= oldest[i];
    if (i < values) samples += oldest[i];
    oldest[i] = 0;
  }
  seen_ -= samples;
}

void RunningEstimate::add(Samples samples) {
  while (!samples.empty()) {
    if (filled_ == block_samples) begin_block();
    const std::size_t n = std::min(samples.size(), block_samples - filled_);
    const auto here = block(at_);
    const auto sum = totals();
    std::array<std::uint32_t, pairs> found{};
    for (const std::uint8_t value : samples.first(n)) {
      ++here[value];
      ++sum[value];
      const unsigned packed = pair_counts[value];
      for (std::size_t pair = 0; pair < pairs; ++pair) found[pair] += (packed >> (4 * pair)) & 15U;
      if (any_) ++found[2 * last_bit_ + (value >> 7U)];
      last_bit_ = value & 1U;
      any_ = true;
    }
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      here[values + pair] = static_cast<std::uint16_t>(here[values + pair] + found[pair]);
      sum[values + pair] += found[pair];
    }
    filled_ += n;
    seen_ += n;
    samples = samples.subspan(n);
  }
}

std::optional<RunningEstimate::Result> RunningEstimate::result() const {
  if (seen_ < least_samples) return std::nullopt;
  const auto sum = totals();
  const auto by_value = sum.first(values);
  const Hits most_common{.hits = *std::max_element(by_value.begin(), by_value.end()),
                         .trials = seen_};
  return Result{.most_common_value = most_common.bits(),
                .markov = markov_bits(sum.subspan(values)),
                .samples = seen_};
}

}  // namespace qanat::assess
