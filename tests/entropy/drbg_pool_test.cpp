#include "entropy/drbg_pool.h"

#include <gtest/gtest.h>

#include <array>

#include "support/noise.h"

namespace qanat::entropy {
namespace {

using namespace std::chrono_literals;

TimePoint at(Duration d) { return TimePoint() + 1h + d; }

TEST(DrbgPool, GivesNothingBeforeItsFirstSeed) {
  std::vector<std::size_t> orders;
  DrbgPool pool(2, {}, [&](std::size_t slot) { orders.push_back(slot); });
  pool.start();
  EXPECT_EQ(orders, (std::vector<std::size_t>{0, 1}));
  std::array<std::uint8_t, 32> out{};
  EXPECT_FALSE(pool.generate(0, out, at(0s)));
  EXPECT_EQ(out, decltype(out){});
  pool.seed(0, test::uniform(48, 1));
  EXPECT_FALSE(pool.ready()) << "slot 1 has none";
  EXPECT_TRUE(pool.generate(0, out, at(0s)));
  EXPECT_FALSE(pool.generate(1, out, at(0s)));
  pool.seed(1, test::uniform(48, 2));
  EXPECT_TRUE(pool.ready());
}

TEST(DrbgPool, WhoeverAsksFirstOrdersTheFirstSeedOnce) {
  std::vector<std::size_t> orders;
  DrbgPool pool(2, {}, [&](std::size_t slot) { orders.push_back(slot); });
  std::array<std::uint8_t, 32> out{};
  EXPECT_FALSE(pool.generate(1, out, at(0s)));
  EXPECT_FALSE(pool.generate(1, out, at(1s)));
  EXPECT_EQ(orders, std::vector<std::size_t>{1}) << "the other one is not used";
  pool.seed(1, test::uniform(48, 1));
  EXPECT_TRUE(pool.generate(1, out, at(2s)));
}

TEST(DrbgPool, ReseedsByTimeByAmountAndOnDemand) {
  int orders = 0;
  DrbgPool pool(1, {.interval = 60s, .bytes = 1000}, [&](std::size_t) { ++orders; });
  pool.start();
  pool.seed(0, test::uniform(48, 1));
  test::Samples out(400);
  EXPECT_TRUE(pool.generate(0, out, at(0s)));
  EXPECT_EQ(orders, 1);
  pool.generate(0, out, at(59s));
  EXPECT_EQ(orders, 1);
  pool.generate(0, out, at(60s));
  EXPECT_EQ(orders, 2) << "by time";
  pool.generate(0, out, at(61s));
  EXPECT_EQ(orders, 2) << "one order at a time: the reserve may be empty";
  pool.seed(0, test::uniform(48, 2));
  pool.generate(0, out, at(62s));
  EXPECT_EQ(pool.counts().reseeds, 2U);
  pool.generate(0, out, at(63s));
  pool.generate(0, out, at(64s));
  pool.generate(0, out, at(65s));
  EXPECT_EQ(orders, 3) << "by amount";
  pool.seed(0, test::uniform(48, 3));
  pool.generate(0, out, at(66s));
  pool.renew([](MutableBytes local) { std::fill(local.begin(), local.end(), std::uint8_t{1}); });
  pool.generate(0, out, at(67s));
  EXPECT_EQ(orders, 4) << "on demand";
}

TEST(DrbgPool, ASeedThatIsThereAtOnceIsInTheVeryNextOutput) {
  DrbgPool* self = nullptr;
  int seeds = 0;
  DrbgPool pool(1, {.interval = 10s}, [&](std::size_t slot) {
    self->seed(slot, test::uniform(48, static_cast<std::uint64_t>(++seeds)));
  });
  self = &pool;
  pool.start();
  test::Samples out(16);
  pool.generate(0, out, at(0s));
  pool.generate(0, out, at(10s));
  EXPECT_EQ(pool.counts().reseeds, 2U);
}

TEST(DrbgPool, LargeOutputsAreCutIntoRequests) {
  DrbgPool pool(1, {}, [](std::size_t) {});
  pool.start();
  pool.seed(0, test::uniform(48, 1));
  test::Samples out(200000);
  EXPECT_TRUE(pool.generate(0, out, at(0s)));
  EXPECT_NE(test::Samples(out.begin(), out.begin() + 65536),
            test::Samples(out.begin() + 65536, out.begin() + 131072));
  EXPECT_EQ(pool.counts().bytes, 200000U);
}

}  // namespace
}  // namespace qanat::entropy
