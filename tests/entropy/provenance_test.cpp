#include "entropy/provenance.h"

#include <gtest/gtest.h>

namespace qanat::entropy {
namespace {

TEST(Provenance, NamesTheNearestFirstWhateverStandsBehindThem) {
  Provenance provenance;
  provenance.set_own("self");
  Provenance::Path wide;
  for (int i = 0; i < 1000; ++i) wide.push_back("w" + std::to_string(i));
  provenance.set(1, wide);
  provenance.set(2, {"near", "next"});
  const auto all = provenance.all();
  ASSERT_EQ(all->size(), 1003U);
  EXPECT_EQ(Provenance::Path(all->begin(), all->begin() + 5),
            (Provenance::Path{"self", "w0", "near", "w1", "next"}));
}

TEST(Provenance, NamesItselfFirstAndEachOtherOnce) {
  Provenance provenance;
  EXPECT_TRUE(provenance.all()->empty());
  provenance.set_own("aa");
  provenance.set(1, {"bb", "cc"});
  provenance.set(2, {"cc", "dd"});
  EXPECT_EQ(*provenance.all(), (Provenance::Path{"aa", "bb", "cc", "dd"}));
  provenance.set(2, {});
  EXPECT_EQ(*provenance.all(), (Provenance::Path{"aa", "bb", "cc"}));
}

}  // namespace
}  // namespace qanat::entropy
