#include "entropy/health_tests.h"

#include <gtest/gtest.h>

#include <cmath>

#include "entropy/health_cutoffs.h"
#include "support/noise.h"

namespace qanat::entropy {
namespace {

using test::Samples;

Window window_at(const Samples& samples, std::size_t index) {
  return Window(samples.data() + index * window_samples, window_samples);
}

// The number of the first window that some test rejects; the count of windows if none does.
std::size_t first_alarm(const Samples& samples, double h, Alarm* which = nullptr) {
  HealthTests tests(h, 1);
  const std::size_t windows = samples.size() / window_samples;
  for (std::size_t i = 0; i < windows; ++i) {
    const Alarm alarm = tests.test(window_at(samples, i));
    if (alarm == Alarm::none) continue;
    if (which != nullptr) *which = alarm;
    return i;
  }
  return windows;
}

// The definition of SP 800-90B 4.4.1, sample by sample.
bool reference_repetition(const Samples& samples, unsigned cutoff) {
  unsigned run = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    run = i > 0 && samples[i] == samples[i - 1] ? run + 1 : 1;
    if (run >= cutoff) return false;
  }
  return true;
}

TEST(RepetitionCountTest, AgreesWithItsDefinitionForRunsAnywhere) {
  const unsigned cutoff = repetition_cutoff(8);
  for (std::size_t at = 0; at + 8 < 2 * window_samples; at += 7) {
    for (unsigned length = 2; length <= 7; ++length) {
      Samples samples = test::counter(2 * window_samples);
      for (unsigned i = 0; i < length; ++i) samples[at + i] = 77;
      RepetitionCountTest tested(8);
      const bool first = tested.passes(window_at(samples, 0));
      const bool second = tested.passes(window_at(samples, 1));
      EXPECT_EQ(first && second, reference_repetition(samples, cutoff))
          << "run of " << length << " at " << at;
    }
  }
}

TEST(RepetitionCountTest, SeesARunAcrossTheWindowEdge) {
  for (unsigned before = 1; before <= 4; ++before) {
    Samples samples = test::counter(2 * window_samples);
    for (unsigned i = 0; i < 5; ++i) samples[window_samples - before + i] = 200;
    RepetitionCountTest tested(8);
    const bool passed =
        tested.passes(window_at(samples, 0)) && tested.passes(window_at(samples, 1));
    EXPECT_FALSE(passed) << before << " samples before the edge";
  }
}

TEST(AdaptiveProportionTest, RejectsExactlyAtTheCutoff) {
  const unsigned cutoff = proportion_cutoff(4, window_samples);
  for (const unsigned count : {cutoff - 1, cutoff}) {
    Samples samples(window_samples, 9);
    for (std::size_t i = 0; i < window_samples; ++i) {
      samples[i] =
          i % 6 == 0 && i / 6 < count ? std::uint8_t{1} : static_cast<std::uint8_t>(2 + i % 200);
    }
    EXPECT_EQ(AdaptiveProportionTest(4).passes(window_at(samples, 0)), count < cutoff);
  }
}

TEST(HealthTests, PassGoodSourcesOfEveryClaim) {
  // 20,000 windows in all. Of each of four tests, one in 2^30 windows may fail: the chance that
  // this test fails by accident is below 1 in 10,000 for alpha = 2^-30, and the seeds are fixed.
  for (const double h : {0.5, 1.0, 2.0, 4.0, 6.0, 7.0, 8.0}) {
    const Samples samples = h == 8 ? test::uniform(2000 * window_samples, 1)
                                   : test::with_min_entropy(2000 * window_samples, h, 2);
    EXPECT_EQ(first_alarm(samples, h), 2000U) << "h = " << h;
  }
}

TEST(HealthTests, CatchAStuckSourceInItsFirstWindow) {
  Alarm alarm = Alarm::none;
  EXPECT_EQ(first_alarm(test::constant(4 * window_samples, 0), 8, &alarm), 0U);
  EXPECT_EQ(alarm, Alarm::repetition_count);
}

TEST(HealthTests, CatchABiasedSource) {
  // Half the claim: by the frequency test at the latest.
  EXPECT_LT(first_alarm(test::with_min_entropy(100 * window_samples, 4, 3), 8), 64U);
  EXPECT_LT(first_alarm(test::with_min_entropy(100 * window_samples, 0.5, 3), 1), 2U);
}

TEST(HealthTests, CatchEveryPeriodUpToAWindowInTheSecond) {
  for (const std::size_t period : {2UL, 3UL, 7UL, 64UL, 100UL, 255UL, 256UL, 257UL, 511UL, 512UL}) {
    for (const double h : {0.5, 1.0, 4.0, 8.0}) {
      EXPECT_LE(first_alarm(test::repeating(8 * window_samples, period, period), h), 1U)
          << "period " << period << ", h = " << h;
    }
  }
}

TEST(HealthTests, CatchACounterOfAnyStep) {
  // A perfect histogram, no runs: nothing that the two tests of the standard would see.
  for (const unsigned step : {1U, 3U, 85U, 127U, 251U}) {
    EXPECT_LE(first_alarm(test::counter(8 * window_samples, step), 8), 1U) << "step " << step;
  }
}

TEST(HealthTests, CatchASourceThatFades) {
  // From 8 bits a sample down to 0 over 1,000 windows: caught before it has lost one bit in six.
  Samples samples;
  for (int i = 0; i < 1000; ++i) {
    const double h = 8.0 * (1000 - i) / 1000;
    const Samples part =
        test::with_min_entropy(window_samples, std::max(h, 0.01), 100U + static_cast<unsigned>(i));
    samples.insert(samples.end(), part.begin(), part.end());
  }
  const std::size_t caught = first_alarm(samples, 8);
  EXPECT_LT(caught, 170U);
}

TEST(FrequencyTest, IsSharperThanTheAdaptiveProportionTest) {
  // 7 bits where 8 are claimed: the standard's test would need years.
  Alarm alarm = Alarm::none;
  EXPECT_LT(first_alarm(test::with_min_entropy(200 * window_samples, 7, 5), 8, &alarm), 64U);
  EXPECT_EQ(alarm, Alarm::frequency);
}

}  // namespace
}  // namespace qanat::entropy
