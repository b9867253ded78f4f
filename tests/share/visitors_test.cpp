#include "share/visitors.h"

#include <gtest/gtest.h>

namespace qanat::share {
namespace {

using Entry = Visitors::Entry;

struct VisitorsTest : testing::Test {
  Dispenser dispenser{1 << 16, 1 << 12};
  Visitors visitors{dispenser, "outlet", {}};
};

TEST_F(VisitorsTest, ABlockHasItsPartAndLeavesWithItsPlaces) {
  std::vector<Visitors::Place> places(3);
  EXPECT_EQ(visitors.come_in(1, 2, 4, places[0]), Entry::in);
  EXPECT_EQ(visitors.come_in(1, 2, 4, places[1]), Entry::in);
  Visitors::Place third;
  EXPECT_EQ(visitors.come_in(1, 2, 4, third), Entry::too_many_of_block);
  EXPECT_EQ(visitors.come_in(2, 2, 4, places[2]), Entry::in);
  places.erase(places.begin());
  EXPECT_EQ(visitors.come_in(1, 2, 4, third), Entry::in);
  EXPECT_EQ(visitors.connections_of(1), 2U);
  places.clear();
  third.leave();
  third.leave();
  EXPECT_EQ(visitors.connections_of(1), 0U);
}

TEST_F(VisitorsTest, WhoHasANameIsOneOfAllAndNoLongerOfItsBlock) {
  Visitors::Place named;
  EXPECT_EQ(visitors.come_in(1, 1, 2, named), Entry::in);
  named.has_name();
  named.has_name();
  EXPECT_EQ(visitors.connections_of(1), 0U);
  Visitors::Place second;
  EXPECT_EQ(visitors.come_in(1, 1, 2, second), Entry::in);
  Visitors::Place third;
  EXPECT_EQ(visitors.come_in(3, 1, 2, third), Entry::full);
  named = {};
  EXPECT_EQ(visitors.come_in(3, 1, 2, third), Entry::in);
}

}  // namespace
}  // namespace qanat::share
