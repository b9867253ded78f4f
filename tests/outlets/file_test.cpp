#include <gtest/gtest.h>

#include <filesystem>

#include "outlets/local_outlet_test.h"
#include "support/eventually.h"

namespace qanat::outlets {
namespace {

using test::eventually;
using namespace std::chrono_literals;

TEST_F(LocalOutletTest, ASeedFileIsPrivateAndWhole) {
  hub_.credit(64);
  const auto outlet = start("file:" + path("seed"));
  EXPECT_TRUE(eventually([&] { return outlet->report().deliveries == 1; }));
  EXPECT_EQ(read_secret_file(path("seed"))->size(), 64U);
  EXPECT_EQ(hub_.dispenser.report().total.delivered, 512U);
}

TEST_F(LocalOutletTest, AnOldSeedIsReplacedBeforeItIsUsed) {
  ASSERT_TRUE(replace_file(path("seed"), as_bytes(std::string(64, 'o')), 0600));
  const auto outlet = start("file:" + path("seed"));
  // Nothing has been delivered, and the old seed is gone already.
  EXPECT_EQ(outlet->report().deliveries, 0U);
  EXPECT_NE(as_text(read_secret_file(path("seed"))->view()), std::string(64, 'o'));
}

TEST_F(LocalOutletTest, ASeedThatCannotBeReplacedIsNotUsedAndTheFailureIsSaid) {
  // A directory in which nothing can be created: replacing fails, also for root.
  hub_.credit(64);
  const auto outlet = start("file:/proc/qanat-seed");
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("failed") == 1; }));
  EXPECT_FALSE(outlet->report().problem.empty());
  EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().total.discarded == 512; }))
      << "not delivered, and given to nobody else";
}

TEST_F(LocalOutletTest, ASeedThatCouldNotBeWrittenIsTriedAgainBeforeItsTime) {
  hub_.credit(4096);
  const auto outlet = start("file:" + path("later/seed") + "?every=1h");
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("failed") > 0; }));
  ASSERT_TRUE(std::filesystem::create_directory(path("later")));
  EXPECT_TRUE(eventually([&] { return outlet->report().deliveries == 1; }));
  EXPECT_EQ(outlet->report().problem, "");
}

TEST_F(LocalOutletTest, ASeedOfGradeDrbgWaitsForTheGeneratorAndCostsNothing) {
  const auto outlet = start("file:" + path("seed") + "?grade=drbg&every=1h");
  hub_.seed_drbg();
  EXPECT_TRUE(eventually([&] { return outlet->report().deliveries == 1; }));
  EXPECT_EQ(outlet->report().drbg_bytes, 64U);
  EXPECT_EQ(outlet->report().refused.at("failed"), 0U);
  EXPECT_EQ(std::filesystem::file_size(path("seed")), 64U);
  EXPECT_EQ(hub_.dispenser.report().total.delivered, 0U);
}

TEST_F(LocalOutletTest, AScheduledOutletDeliversAgainWhenTold) {
  hub_.credit(256);
  const auto outlet = start("file:" + path("seed") + "?every=1h");
  EXPECT_TRUE(eventually([&] { return outlet->report().deliveries == 1; }));
  outlet->feed_now();
  EXPECT_TRUE(eventually([&] { return outlet->report().deliveries == 2; }));
}

}  // namespace
}  // namespace qanat::outlets
