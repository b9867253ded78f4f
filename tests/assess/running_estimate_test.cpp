#include "assess/running_estimate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace qanat::assess {
namespace {

using Values = std::vector<std::uint8_t>;

Values uniform(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  Values out(count);
  for (auto& value : out) value = static_cast<std::uint8_t>(random());
  return out;
}

TEST(RunningEstimate, SaysNothingOfTooFewSamples) {
  RunningEstimate estimate;
  estimate.add(uniform(RunningEstimate::least_samples - 1, 1));
  EXPECT_FALSE(estimate.result());
  estimate.add(Values{0});
  ASSERT_TRUE(estimate.result());
  EXPECT_EQ(estimate.result()->samples, RunningEstimate::least_samples);
}

TEST(RunningEstimate, IsNearEightForUniformSamplesAndZeroForOneValue) {
  RunningEstimate estimate;
  estimate.add(uniform(65536, 2));
  EXPECT_GT(estimate.result()->most_common_value, 7.3);
  EXPECT_LE(estimate.result()->most_common_value, 8);
  EXPECT_GT(estimate.result()->markov, 7.9);
  RunningEstimate constant;
  constant.add(Values(65536, 0x55));
  EXPECT_EQ(constant.result()->most_common_value, 0);
  EXPECT_NEAR(constant.result()->markov, 0, 0.1) << "0101... is one sequence of bits";
}

// SP 800-90B 6.3.1 by hand: 3 of 4 values are the same.
TEST(RunningEstimate, HasTheBoundOfTheStandard) {
  RunningEstimate estimate;
  Values values;
  for (unsigned i = 0; i < 2048; ++i) values.push_back(i % 4 == 3 ? 0xff : 0);
  estimate.add(values);
  const double p = 0.75;
  const double upper = p + 2.5758293 * std::sqrt(p * (1 - p) / 2047);
  EXPECT_NEAR(estimate.result()->most_common_value, -std::log2(upper), 1e-9);
}

// Bits that are the bit before with probability 0.9: a histogram of bytes shows less of it.
TEST(RunningEstimate, MarkovSeesBitsThatStick) {
  std::mt19937 random(3);
  RunningEstimate estimate;
  Values values;
  unsigned bit = 0;
  for (unsigned i = 0; i < 65536; ++i) {
    unsigned value = 0;
    for (unsigned j = 0; j < 8; ++j) {
      if (random() % 10 == 0) bit ^= 1U;
      value = value << 1U | bit;
    }
    values.push_back(static_cast<std::uint8_t>(value));
  }
  estimate.add(values);
  EXPECT_NEAR(estimate.result()->markov, -8 * std::log2(0.9), 0.1);
}

TEST(RunningEstimate, ForgetsWhatIsOlderThanItsWindow) {
  RunningEstimate estimate;
  estimate.add(Values(100000, 7));
  EXPECT_EQ(estimate.result()->most_common_value, 0);
  estimate.add(uniform(RunningEstimate::blocks * RunningEstimate::block_samples, 4));
  EXPECT_GT(estimate.result()->most_common_value, 7.3);
  EXPECT_LE(estimate.result()->samples, RunningEstimate::blocks * RunningEstimate::block_samples);
}

TEST(RunningEstimate, DoesNotDependOnHowSamplesAreCut) {
  const Values values = uniform(20000, 5);
  RunningEstimate whole;
  RunningEstimate pieces;
  whole.add(values);
  for (std::size_t at = 0; at < values.size(); at += 7) {
    pieces.add(Samples(values).subspan(at, std::min<std::size_t>(7, values.size() - at)));
  }
  EXPECT_EQ(whole.result()->markov, pieces.result()->markov);
  EXPECT_EQ(whole.result()->most_common_value, pieces.result()->most_common_value);
}

}  // namespace
}  // namespace qanat::assess
