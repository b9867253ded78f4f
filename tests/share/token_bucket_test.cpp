#include "share/token_bucket.h"

#include <gtest/gtest.h>

#include "share/minute_counter.h"

namespace qanat::share {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint epoch = TimePoint() + 1h;
constexpr BucketRate limit{1000, 2000};

TEST(TokenBucket, LetsTheBurstThroughAndThenTheRate) {
  TokenBucket bucket;
  int taken = 0;
  TimePoint now = epoch;
  for (; now < epoch + 10s; now += 10ms) {
    while (bucket.take(limit, 100, now) == 0s) ++taken;
  }
  EXPECT_NEAR(taken, 20 + 100, 2);
}

TEST(TokenBucket, SaysHowLongToWaitAndMeansIt) {
  TokenBucket bucket;
  EXPECT_EQ(bucket.take(limit, 5000, epoch), 0s)
      << "no request is too large while something is there";
  const Duration wait = bucket.take(limit, 1, epoch);
  EXPECT_EQ(wait, 3s);
  EXPECT_GT(bucket.take(limit, 1, epoch + wait - 1ms), 0s);
  EXPECT_EQ(bucket.take(limit, 1, epoch + wait), 0s);
}

TEST(TokenBucket, PacesALongTransfer) {
  TokenBucket bucket;
  TimePoint now = epoch;
  for (int i = 0; i < 100; ++i) now += bucket.charge(limit, 1000, now);
  EXPECT_NEAR(seconds(now - epoch), 98, 0.1);
}

TEST(TokenBucket, NobodyOwesMoreThanAMinute) {
  TokenBucket bucket;
  EXPECT_EQ(bucket.take(limit, std::uint64_t{1} << 40, epoch), 0s);
  EXPECT_LE(bucket.take(limit, 1, epoch), 60s);
}

TEST(TokenBucket, AClockThatJumpsClosesNothing) {
  TokenBucket bucket;
  bucket.take(limit, 2000, epoch + 10h);
  EXPECT_LE(bucket.take(limit, 100, epoch), 2s) << "back";
  EXPECT_EQ(bucket.take(limit, 2000, epoch + 20h), 0s) << "and forth";
  EXPECT_EQ(bucket.take(limit, 1, epoch + 20h), 0s);
  EXPECT_GT(bucket.take(limit, 1, epoch + 20h), 0s) << "no more than a burst";
}

TEST(TokenBucket, WithoutARateThereIsNoLimit) {
  TokenBucket bucket;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(bucket.take({}, 1 << 30, epoch), 0s);
}

TEST(BucketTable, OneKeysDebtIsNotAnothers) {
  BucketTable table(64, 1);
  EXPECT_EQ(table.take(1, limit, 5000, epoch), 0s);
  EXPECT_GT(table.take(1, limit, 1, epoch), 0s);
  EXPECT_EQ(table.take(2, limit, 1, epoch), 0s);
}

TEST(BucketTable, AFloodOfKeysBuysNoMoreThanTheTableHolds) {
  BucketTable table(64, 1);
  std::size_t taken = 0;
  for (std::uint64_t key = 0; key < 100000; ++key) {
    taken += table.take(key, limit, 2001, epoch) == 0s ? 1U : 0U;
  }
  EXPECT_LE(taken, 64U) << "one each";
  EXPECT_GE(taken, 60U);
  // When they are full again, their places are free.
  EXPECT_EQ(table.take(123456, limit, 2001, epoch + 1min), 0s);
}

TEST(MinuteCounter, ForgetsWhatIsOlderThanAMinute) {
  MinuteCounter counter;
  for (int s = 0; s < 120; ++s) counter.add(10, epoch + s * 1s);
  EXPECT_NEAR(static_cast<double>(counter.sum(epoch + 119s)), 600, 50);
  EXPECT_NEAR(static_cast<double>(counter.sum(epoch + 149s)), 300, 50);
  EXPECT_EQ(counter.sum(epoch + 10min), 0U);
}

}  // namespace
}  // namespace qanat::share
