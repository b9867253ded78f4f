#include "entropy/health_tests.h"

#include <algorithm>

#include "entropy/health_cutoffs.h"

namespace qanat::entropy {
namespace {

// Number of i with a[i] == b[i] among one window. Eight-bit partial sums, so that the compiler
// makes one vector compare and one add of it.
unsigned count_equal(const std::uint8_t* a, const std::uint8_t* b) {
  static_assert(window_samples % 128 == 0);
  unsigned total = 0;
  for (std::size_t start = 0; start < window_samples; start += 128) {
    std::uint8_t lanes[16] = {};
    for (std::size_t i = start; i < start + 128; i += 16) {
      for (std::size_t lane = 0; lane < 16; ++lane) {
        lanes[lane] = static_cast<std::uint8_t>(lanes[lane] + (a[i + lane] == b[i + lane] ? 1 : 0));
      }
    }
    for (const unsigned lane : lanes) total += lane;
  }
  return total;
}

// Whether three equal samples stand in a row; without a branch for each, so that it vectorises.
bool has_triple(const std::uint8_t* s) {
  std::uint8_t found = 0;
  for (std::size_t i = 0; i + 2 < window_samples; ++i) {
    const auto differences = static_cast<std::uint8_t>((s[i] ^ s[i + 1]) | (s[i + 1] ^ s[i + 2]));
    found |= static_cast<std::uint8_t>(differences == 0 ? 1 : 0);
  }
  return found != 0;
}

constexpr unsigned pattern_lags = window_samples;
// 512 lags and one progression share alpha: 2^-30 / 2^10.
constexpr int pattern_alpha_log2 = alpha_log2 - 10;
// 256 values share alpha.
constexpr int frequency_alpha_log2 = alpha_log2 - 8;

}  // namespace

const char* to_string(Alarm alarm) {
  switch (alarm) {
    case Alarm::none:
      return "none";
    case Alarm::repetition_count:
      return "repetition count";
    case Alarm::adaptive_proportion:
      return "adaptive proportion";
    case Alarm::pattern:
      return "pattern";
    case Alarm::frequency:
      return "frequency";
    case Alarm::replay:
      return "replay";
  }
  return "none";
}

const char* explain(Alarm alarm) {
  switch (alarm) {
    case Alarm::none:
      return "all is well";
    case Alarm::repetition_count:
      return "the same sample again and again";
    case Alarm::adaptive_proportion:
    case Alarm::frequency:
      return "one sample too often";
    case Alarm::pattern:
      return "a short pattern again and again";
    case Alarm::replay:
      return "what it had given before: a recording, or a buffer that nobody fills";
  }
  return "";
}

RepetitionCountTest::RepetitionCountTest(double h) : cutoff_(repetition_cutoff(h)) {}

bool RepetitionCountTest::count(std::span<const std::uint8_t> samples) {
  bool ok = true;
  for (const std::uint8_t sample : samples) {
    run_ = run_ != 0 && sample == last_ ? run_ + 1 : 1;
    last_ = sample;
    ok = ok && run_ < cutoff_;
  }
  return ok;
}

bool RepetitionCountTest::passes(Window window) {
  // Every cut-off is above 3 (1 + ceil(30 / 8) = 5), so a window without a triple can only end a
  // run that began before it, within its first two samples, and begin one in its last two.
  if (has_triple(window.data())) return count(window);
  const bool ok = count(window.first(3));
  last_ = window.back();
  run_ = window[window_samples - 2] == last_ ? 2 : 1;
  return ok;
}

AdaptiveProportionTest::AdaptiveProportionTest(double h)
    : cutoff_(proportion_cutoff(h, window_samples)) {}

bool AdaptiveProportionTest::passes(Window window) const {
  std::array<std::uint8_t, window_samples> first;
  first.fill(window.front());
  return count_equal(window.data(), first.data()) < cutoff_;
}

PatternTest::PatternTest(double h)
    : cutoff_(proportion_cutoff(h, window_samples, pattern_alpha_log2)),
      history_(2 * window_samples) {}

bool PatternTest::passes(Window window) {
  std::uint8_t* const previous = history_.view().data();
  std::uint8_t* const current = previous + window_samples;
  std::copy(window.begin(), window.end(), current);
  bool ok = true;
  if (primed_) {
    unsigned most = 0;
    for (unsigned lag = 1; lag <= pattern_lags; ++lag) {
      most = std::max(most, count_equal(current, current - lag));
    }
    std::array<std::uint8_t, window_samples> predicted;
    for (std::size_t i = 0; i < window_samples; ++i) {
      const std::uint8_t* at = current + i;
      predicted[i] = static_cast<std::uint8_t>(2 * at[-1] - at[-2]);
    }
    most = std::max(most, count_equal(current, predicted.data()));
    wipe(predicted);
    ok = most < cutoff_;
  }
  primed_ = true;
  std::copy(current, current + window_samples, previous);
  return ok;
}

FrequencyTest::FrequencyTest(double h)
    : cutoff_(proportion_cutoff(h, windows * window_samples, frequency_alpha_log2)) {}

bool FrequencyTest::passes(Window window) {
  for (const std::uint8_t sample : window) ++counts_[sample];
  if (++seen_ < windows) return true;
  const bool ok = *std::max_element(counts_.begin(), counts_.end()) < cutoff_;
  reset();
  return ok;
}

void FrequencyTest::reset() {
  seen_ = 0;
  counts_.fill(0);
}

Alarm HealthTests::test(Window window) {
  // Each sees every window, also one that another has rejected: their runs go on.
  const bool repetition = repetition_.passes(window);
  const bool proportion = proportion_.passes(window);
  const bool pattern = pattern_.passes(window);
  const bool frequency = frequency_.passes(window);
  const bool replay = replay_.passes(window);
  if (!repetition) return Alarm::repetition_count;
  if (!proportion) return Alarm::adaptive_proportion;
  if (!pattern) return Alarm::pattern;
  if (!frequency) return Alarm::frequency;
  return replay ? Alarm::none : Alarm::replay;
}

void HealthTests::reset() {
  repetition_.reset();
  pattern_.reset();
  frequency_.reset();
}

}  // namespace qanat::entropy
