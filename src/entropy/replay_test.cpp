#include "entropy/replay_test.h"

#include <algorithm>
#include <cmath>

namespace qanat::entropy {
namespace {

// A mark stands for samples of so many claimed bits, within reason: a window holds several.
constexpr double mark_bits = 32;
constexpr std::size_t shortest_mark = 16;
constexpr std::size_t longest_mark = 256;
// What must come again before it is a replay: 2^-100 for each place of 2^22, at every sample.
constexpr double convicting_bits = 100;
// Each is 32 bits of hash that agree by chance with probability 2^-32.
constexpr unsigned convicting_run = 4;

std::size_t mark_length(double h) {
  const double length = std::ceil(mark_bits / h);
  return std::clamp(static_cast<std::size_t>(std::min(length, 1e6)), shortest_mark, longest_mark);
}

std::uint64_t power(std::uint64_t base, std::size_t exponent) {
  std::uint64_t result = 1;
  for (; exponent > 0; exponent >>= 1U, base *= base) {
    if ((exponent & 1U) != 0) result *= base;
  }
  return result;
}

}  // namespace

ReplayTest::ReplayTest(double h, std::uint64_t seed)
    : length_(mark_length(h)),
      h_(h),
      factor_((seed * 0x9E3779B97F4A7C15U) | 5U),
      outgoing_(power(factor_, length_)),
      recent_(length_),
      marks_(remembered_marks * sizeof(Mark)) {}

bool ReplayTest::passes(Bytes samples) {
  std::uint8_t* const recent = recent_.view().data();
  bool ok = true;
  for (const std::uint8_t sample : samples) {
    // The sum of (sample + 1) * factor^age: zeros count, too.
    hash_ = hash_ * factor_ + sample + 1;
    if (filled_ == length_) {
      hash_ -= (recent[at_] + std::uint64_t{1}) * outgoing_;
    } else {
      ++filled_;
    }
    recent[at_] = sample;
    at_ = at_ + 1 == length_ ? 0 : at_ + 1;
    ++position_;
    if (filled_ < length_) continue;
    // Of such a sum the high bits are the good ones.
    const std::uint64_t mixed = (hash_ ^ (hash_ >> 32U)) * 0xD6E8FEB86659FD93U;
    if ((mixed >> 58U) != 0) continue;
    if (repeats(mixed)) ok = false;
  }
  return ok;
}

// Notes a mark here. Whether it ends a stretch that was seen before.
bool ReplayTest::repeats(std::uint64_t hash) {
  static_assert(spacing == 64, "the top 6 bits choose the marks");
  const std::uint64_t since = std::min<std::uint64_t>(position_ - last_mark_, length_);
  last_mark_ = position_;
  const auto fingerprint = static_cast<std::uint32_t>(hash);
  auto* const marks = reinterpret_cast<Mark*>(marks_.view().data());
  Mark& mark = marks[(hash >> 32U) % remembered_marks];
  const bool known = mark.number != 0 && mark.fingerprint == fingerprint;
  const std::uint32_t before = known ? mark.number : 0;
  if (known && run_ > 0 && before == matched_ + 1) {
    ++run_;
    covered_ += since;
  } else {
    run_ = known ? 1 : 0;
    covered_ = length_;
  }
  matched_ = before;
  mark = {fingerprint, ++number_};
  return run_ >= convicting_run && static_cast<double>(covered_) * h_ >= convicting_bits;
}

}  // namespace qanat::entropy
