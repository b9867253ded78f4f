// Continuous health tests on raw samples of 8 bits.
//
// All rest on one argument. A source that has `h` bits of min-entropy per sample, given everything
// before it, equals any prediction made from its past with probability at most 2^-h. So the number
// of hits among n samples is at most as large as a binomial variable's, whatever the source does,
// and a count that the binomial reaches with probability below alpha convicts it.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/secret.h"
#include "entropy/replay_test.h"

namespace qanat::entropy {

// Window of the adaptive proportion test for samples that are not binary (SP 800-90B 4.4.2), and
// the unit in which samples are judged and credited here.
constexpr std::size_t window_samples = 512;
using Window = std::span<const std::uint8_t, window_samples>;

enum class Alarm { none, repetition_count, adaptive_proportion, pattern, frequency, replay };
inline constexpr std::size_t alarm_kinds = 6;
const char* to_string(Alarm alarm);
// What that means, for people who do not know the tests: "the same sample again and again".
const char* explain(Alarm alarm);

// SP 800-90B 4.4.1. A run may cross windows.
class RepetitionCountTest {
 public:
  explicit RepetitionCountTest(double h);
  bool passes(Window window);
  void reset() { run_ = 0; }

 private:
  bool count(std::span<const std::uint8_t> samples);

  unsigned cutoff_;
  unsigned run_ = 0;
  std::uint8_t last_ = 0;
};

// SP 800-90B 4.4.2: how often the first sample of a window occurs in it.
class AdaptiveProportionTest {
 public:
  explicit AdaptiveProportionTest(double h);
  bool passes(Window window) const;

 private:
  unsigned cutoff_;
};

// Ours (SP 800-90B 4.5 invites such): predicts each sample of a window as the one 1 to 512 samples
// before it, and as the continuation of an arithmetic progression; the lag predictor of SP 800-90B
// 6.3.8, for every period that two windows can show. Catches what has a fair histogram and no
// runs: a counter, a repeated block, a ring buffer that nobody fills any more.
class PatternTest {
 public:
  explicit PatternTest(double h);
  bool passes(Window window);
  void reset() { primed_ = false; }

 private:
  unsigned cutoff_;
  bool primed_ = false;
  SecretBytes history_;  // the window before, then this one
};

// Ours: no value more often than h allows in 64 windows. Slower than the adaptive proportion test
// and much sharper (at h = 8 it convicts at 7.3 bits, that one at 5): finds a source that fades.
class FrequencyTest {
 public:
  explicit FrequencyTest(double h);
  bool passes(Window window);
  void reset();

 private:
  static constexpr unsigned windows = 64;
  unsigned cutoff_;
  unsigned seen_ = 0;
  std::array<std::uint32_t, 256> counts_{};
};

class HealthTests {
 public:
  // `h`: claimed min-entropy, bits per sample, in (0, 8]. `seed` makes the hash of what is
  // remembered this one's own.
  HealthTests(double h, std::uint64_t seed)
      : repetition_(h), proportion_(h), pattern_(h), frequency_(h), replay_(h, seed) {}
  // The first test that fails, or none.
  Alarm test(Window window);
  void reset();

 private:
  RepetitionCountTest repetition_;
  AdaptiveProportionTest proportion_;
  PatternTest pattern_;
  FrequencyTest frequency_;
  ReplayTest replay_;
};

}  // namespace qanat::entropy
