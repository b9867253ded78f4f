#include <gtest/gtest.h>

#include "sources/source_test.h"
#include "support/eventually.h"

namespace qanat::sources {
namespace {

using test::eventually;

TEST_F(SourceTest, TheCpusJitterIsASource) {
  auto source = start("jitter");
  EXPECT_TRUE(eventually([&] { return dispenser_.report().total.credited > 0; }));
}

}  // namespace
}  // namespace qanat::sources
