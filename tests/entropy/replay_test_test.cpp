#include "entropy/replay_test.h"

#include <gtest/gtest.h>

#include "entropy/health_tests.h"
#include "support/noise.h"

namespace qanat::entropy {
namespace {

using test::Samples;

// Samples until the test rejects some; all of them if it never does.
std::size_t passed(ReplayTest& tested, const Samples& samples) {
  for (std::size_t at = 0; at + window_samples <= samples.size(); at += window_samples) {
    if (!tested.passes(Bytes(samples).subspan(at, window_samples))) return at;
  }
  return samples.size();
}

Samples played_twice(const Samples& once, std::size_t from) {
  Samples twice = once;
  twice.insert(twice.end(), once.begin() + static_cast<std::ptrdiff_t>(from), once.end());
  return twice;
}

TEST(ReplayTest, PassesGoodSourcesOfEveryClaim) {
  for (const double h : {0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 6.0, 7.9}) {
    ReplayTest tested(h, 1);
    const Samples samples = test::with_min_entropy(std::size_t{1} << 22, h, 7);
    EXPECT_EQ(passed(tested, samples), samples.size()) << h;
  }
}

TEST(ReplayTest, FindsARecordingThatIsPlayedAgainFromAnywhere) {
  for (const double h : {0.5, 1.0, 2.0, 4.0, 7.9}) {
    for (const std::size_t from : {0U, 1U, 777U, 100'000U}) {
      ReplayTest tested(h, 1);
      const Samples once = test::with_min_entropy(500'000, h, 11);
      const std::size_t at = passed(tested, played_twice(once, from));
      EXPECT_GE(at, once.size() - window_samples) << h << " from " << from;
      EXPECT_LT(at, once.size() + 10 * window_samples) << h << " from " << from;
    }
  }
}

TEST(ReplayTest, FindsALoopOfAnyLengthThatThePatternTestDoesNotSee) {
  for (const std::size_t period : {513U, 600U, 1000U, 1024U, 3000U, 6000U, 12'000U, 1'000'000U}) {
    ReplayTest tested(2, 1);
    EXPECT_LT(passed(tested, test::repeating(2 * period + 20'000, period, 5)), period + 19'000)
        << period;
  }
}

// A claim that is low needs more of the recording.
TEST(ReplayTest, FindsAReplayAtALowClaim) {
  ReplayTest tested(0.1, 1);
  const Samples once = test::with_min_entropy(200'000, 0.5, 3);
  EXPECT_LT(passed(tested, played_twice(once, 0)), once.size() + 20 * window_samples);
}

TEST(ReplayTest, RemembersAcrossAGap) {
  ReplayTest tested(1, 1);
  const Samples once = test::uniform(100 * window_samples, 5);
  EXPECT_EQ(passed(tested, once), once.size());
  EXPECT_EQ(passed(tested, test::uniform(window_samples, 6)), window_samples);
  EXPECT_LT(passed(tested, once), 4 * window_samples);
}

// Some four million samples: what is older than the table holds is no longer known.
TEST(ReplayTest, RemembersTwoMillionSamples) {
  ReplayTest tested(4, 1);
  const Samples once = test::uniform(std::size_t{1} << 21, 5);
  EXPECT_LT(passed(tested, played_twice(once, 0)), once.size() + 40 * window_samples);
}

TEST(ReplayTest, TwoStretchesThatAreAlikeByChanceAreNoReplay) {
  // The same 64 samples again and again, among others.
  Samples samples = test::uniform(1'000'000, 9);
  for (std::size_t at = 1000; at + 64 < samples.size(); at += 1000) {
    std::copy_n(samples.begin(), 64, samples.begin() + static_cast<std::ptrdiff_t>(at));
  }
  ReplayTest tested(1, 1);
  EXPECT_EQ(passed(tested, samples), samples.size());
}

TEST(ReplayTest, IsOneOfTheHealthTests) {
  HealthTests tests(4, 1);
  const Samples samples = test::repeating(40 * window_samples, 5000, 5);
  Alarm alarm = Alarm::none;
  for (std::size_t i = 0; alarm == Alarm::none && i < 40; ++i) {
    alarm = tests.test(Window(samples.data() + i * window_samples, window_samples));
  }
  EXPECT_EQ(alarm, Alarm::replay);
}

}  // namespace
}  // namespace qanat::entropy
