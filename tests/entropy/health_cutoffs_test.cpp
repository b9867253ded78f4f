#include "entropy/health_cutoffs.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace qanat::entropy {
namespace {

TEST(HealthCutoffs, AreThoseOfTheStandard) {
  std::ifstream table(TEST_DATA "/health_cutoffs.txt");
  std::string line;
  int cases = 0;
  while (std::getline(table, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    double h = 0;
    unsigned window = 0;
    fields >> h >> window;
    for (const int alpha : {-20, -30, -40}) {
      unsigned expected = 0;
      fields >> expected;
      EXPECT_EQ(repetition_cutoff(h, alpha), expected) << line << " alpha 2^" << alpha;
    }
    for (const int alpha : {-20, -30, -40}) {
      unsigned expected = 0;
      fields >> expected;
      EXPECT_EQ(proportion_cutoff(h, window, alpha), expected) << line << " alpha 2^" << alpha;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 9);
}

TEST(HealthCutoffs, StayWithinTheWindowForTheLeastClaim) {
  EXPECT_LE(proportion_cutoff(1.0 / 32, 512), 513U);
  EXPECT_GT(proportion_cutoff(1.0 / 32, 512), 500U);
}

}  // namespace
}  // namespace qanat::entropy
