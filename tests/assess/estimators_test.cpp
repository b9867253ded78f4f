#include "assess/estimators.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/noise.h"

namespace qanat::assess {
namespace {

Predictors predictors_of(const test::Samples& samples) {
  Predictors predictors;
  predictors.add(samples);
  return predictors;
}

TEST(Estimators, FindWhatIsThere) {
  for (const double h : {1.0, 3.0, 6.0}) {
    const auto seen = predictors_of(test::with_min_entropy(1 << 20, h, 1));
    EXPECT_NEAR(seen.most_common_value().bits(), h, 0.1);
  }
  EXPECT_GT(min_entropy(test::uniform(1 << 20, 2)), 7.5);
}

TEST(Estimators, SeeThroughWhatAHistogramHides) {
  const auto counter = predictors_of(test::counter(1 << 16));
  EXPECT_GT(counter.most_common_value().bits(), 7.7);
  EXPECT_LT(counter.successor().bits(), 0.1);
  EXPECT_LT(counter.repetition().bits(), 0.1);
  const auto far = predictors_of(test::repeating(1 << 16, 10000, 4));
  EXPECT_GT(far.successor().bits(), 2);
  EXPECT_LT(far.repetition().bits(), 1) << "no lag of 128 sees it";
  EXPECT_LT(lag_prediction(test::repeating(1 << 16, 100, 3)), 0.1);
  EXPECT_LT(min_entropy(test::constant(1000, 0)), 0.01);
}

TEST(Estimators, HaveNoOpinionOnNothing) {
  EXPECT_EQ(min_entropy({}), 0);
  EXPECT_EQ(min_entropy(test::constant(1, 5)), 0);
}

}  // namespace
}  // namespace qanat::assess
