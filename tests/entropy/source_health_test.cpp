#include "entropy/source_health.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/noise.h"

namespace qanat::entropy {
namespace {

using namespace std::chrono_literals;

const TimePoint start = TimePoint() + 1h;

class SourceHealthTest : public testing::Test {
 protected:
  Verdict good() {
    const auto samples = test::uniform(window_samples, ++seed_);
    return health_.window(Window(samples.data(), window_samples), now_);
  }
  Verdict bad() {
    const auto samples = test::constant(window_samples, 1);
    return health_.window(Window(samples.data(), window_samples), now_);
  }
  void make_healthy() {
    while (health_.state() != SourceState::healthy) good();
  }

  SourceHealth health_{8, 1};
  TimePoint now_ = start;
  std::uint64_t seed_ = 0;
};

TEST_F(SourceHealthTest, CreditsNothingBefore1024SamplesHavePassed) {
  EXPECT_FALSE(good().credit);
  EXPECT_EQ(health_.state(), SourceState::start_up);
  EXPECT_FALSE(good().credit);
  EXPECT_EQ(health_.state(), SourceState::healthy);
  EXPECT_TRUE(good().credit);
}

TEST_F(SourceHealthTest, FailsAtOnceInStartUp) {
  good();
  const Verdict verdict = bad();
  EXPECT_FALSE(verdict.credit);
  EXPECT_TRUE(verdict.changed);
  EXPECT_EQ(health_.state(), SourceState::failed);
  EXPECT_EQ(health_.failures(), 1U);
}

TEST_F(SourceHealthTest, SuspectIsRetestedAndCreditsNothingMeanwhile) {
  make_healthy();
  EXPECT_FALSE(bad().credit);
  EXPECT_EQ(health_.state(), SourceState::suspect);
  EXPECT_FALSE(good().credit);
  EXPECT_FALSE(good().credit);
  EXPECT_EQ(health_.state(), SourceState::healthy);
  EXPECT_TRUE(good().credit);
}

TEST_F(SourceHealthTest, SuspectThatFailsAgainIsFailed) {
  make_healthy();
  bad();
  bad();
  EXPECT_EQ(health_.state(), SourceState::failed);
  EXPECT_EQ(health_.alarms(), 2U);
}

TEST_F(SourceHealthTest, TheThirdAlarmInAShortTimeIsAFailure) {
  make_healthy();
  for (int i = 0; i < 2; ++i) {
    bad();
    EXPECT_EQ(health_.state(), SourceState::suspect);
    make_healthy();
  }
  bad();
  EXPECT_EQ(health_.state(), SourceState::failed);
}

TEST_F(SourceHealthTest, AlarmsFarApartAreForgiven) {
  make_healthy();
  for (int i = 0; i < 5; ++i) {
    bad();
    EXPECT_EQ(health_.state(), SourceState::suspect);
    for (std::uint64_t w = 0; w < SourceHealth::alarm_memory_windows; ++w) good();
  }
  EXPECT_EQ(health_.state(), SourceState::healthy);
}

TEST_F(SourceHealthTest, RetriesWithGrowingPausesOfAtMostTenMinutes) {
  Duration longest{};
  for (int i = 0; i < 40; ++i) {
    bad();
    ASSERT_EQ(health_.state(), SourceState::failed);
    const Duration pause = health_.retry_at() - now_;
    EXPECT_GE(pause, 1s);
    EXPECT_LE(pause, 10min);
    longest = std::max(longest, pause);
    now_ = health_.retry_at();
    health_.try_again();
    EXPECT_EQ(health_.state(), SourceState::start_up);
  }
  EXPECT_GT(longest, 1min);
}

TEST_F(SourceHealthTest, OnDemandTestBeginsWithStartUp) {
  make_healthy();
  health_.retest();
  EXPECT_EQ(health_.state(), SourceState::start_up);
  EXPECT_FALSE(good().credit);
  EXPECT_FALSE(good().credit);
  EXPECT_TRUE(good().credit);
}

// Passes every test of a window, and gives 3 of 8 bits claimed.
TEST_F(SourceHealthTest, ARefutedClaimStaysSo) {
  const auto window = [&](SourceHealth& health) {
    const auto samples = test::with_min_entropy(window_samples, 3.3, ++seed_);
    return health.window(Window(samples.data(), window_samples), now_);
  };
  SourceHealth held(4, 1);
  Verdict verdict;
  while (!verdict.measured) verdict = window(held);
  EXPECT_EQ(held.state(), SourceState::refuted);
  EXPECT_TRUE(verdict.changed);
  EXPECT_FALSE(verdict.credit);
  EXPECT_NEAR(*verdict.measured, 3.3, 0.5);
  held.gone();
  held.back();
  held.retest();
  held.try_again();
  EXPECT_EQ(held.state(), SourceState::refuted) << "until somebody corrects it";
  EXPECT_FALSE(window(held).credit);

  SourceHealth insisted(4, 1, ClaimPolicy::insist);
  verdict = {};
  while (!verdict.measured) verdict = window(insisted);
  EXPECT_EQ(insisted.state(), SourceState::healthy);
  SourceHealth nothing(4, 1, ClaimPolicy::ignore);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(window(nothing).measured);
}

TEST_F(SourceHealthTest, AReturnedDeviceStartsOver) {
  make_healthy();
  health_.gone();
  EXPECT_EQ(health_.state(), SourceState::gone);
  health_.back();
  EXPECT_FALSE(good().credit);
  EXPECT_FALSE(good().credit);
  EXPECT_TRUE(good().credit);
}

}  // namespace
}  // namespace qanat::entropy
