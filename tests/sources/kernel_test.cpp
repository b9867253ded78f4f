#include <gtest/gtest.h>

#include "sources/source_test.h"
#include "support/eventually.h"

namespace qanat::sources {
namespace {

using test::eventually;

TEST_F(SourceTest, UncreditedSourcesAreMixedIn) {
  const auto before = key_.generation();
  auto source = start("kernel");
  EXPECT_TRUE(reaches(*source, "healthy"));
  EXPECT_TRUE(eventually([&] { return key_.generation() > before + 2; }));
  EXPECT_EQ(dispenser_.report().total.credited, 0U);
  EXPECT_FALSE(source->report().credit);
}

}  // namespace
}  // namespace qanat::sources
