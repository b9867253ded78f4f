#include "assess/estimators.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/noise.h"

namespace qanat::assess {
namespace {

TEST(Estimators, FindWhatIsThere) {
  for (const double h : {1.0, 3.0, 6.0}) {
    EXPECT_NEAR(most_common_value(test::with_min_entropy(1 << 20, h, 1)), h, 0.1);
  }
  EXPECT_GT(min_entropy(test::uniform(1 << 20, 2)), 7.5);
}

TEST(Estimators, SeeThroughWhatAHistogramHides) {
  EXPECT_GT(most_common_value(test::counter(1 << 16)), 7.7);
  EXPECT_LT(markov_prediction(test::counter(1 << 16)), 0.1);
  EXPECT_LT(lag_prediction(test::repeating(1 << 16, 100, 3)), 0.1);
  EXPECT_LT(min_entropy(test::constant(1000, 0)), 0.01);
}

TEST(Estimators, HaveNoOpinionOnNothing) {
  EXPECT_EQ(min_entropy({}), 0);
  EXPECT_EQ(min_entropy(test::constant(1, 5)), 0);
}

}  // namespace
}  // namespace qanat::assess
