#include "entropy/relay.h"

#include <gtest/gtest.h>

#include "entropy/drbg_pool.h"
#include "support/noise.h"

namespace qanat::entropy {
namespace {

using Outcome = Relay::Outcome;
using test::Samples;

// Remembers what was credited.
class Books final : public Sink {
 public:
  std::size_t wanted() const override { return 1 << 20; }
  Epoch epoch() const override { return now_; }
  bool credit(SourceId, Bytes full_entropy, Epoch epoch, TimePoint) override {
    if (epoch != now_) return false;
    credited.emplace_back(full_entropy.begin(), full_entropy.end());
    return true;
  }
  void lost(SourceId, TimePoint) override {}

  std::vector<Samples> credited;
  Epoch now_ = 7;
};

class RelayTest : public testing::Test {
 protected:
  Outcome give(Relay::Policy policy, Samples bytes, bool full, Epoch epoch = 7) {
    Relay relay(books_, key_, 3, policy);
    return relay.credit(bytes, full, local_, epoch, {});
  }

  Books books_;
  ConditioningKey key_{Samples(64)};
  const Samples local_ = test::uniform(64, 9);
  const Samples sent_ = test::uniform(64, 1);
};

TEST_F(RelayTest, GradeFullIsCreditedAsItIsAndNotAsItWasSent) {
  EXPECT_EQ(give({}, sent_, true), Outcome::credited);
  ASSERT_EQ(books_.credited.size(), 1U);
  EXPECT_EQ(books_.credited[0].size(), sent_.size());
  EXPECT_NE(books_.credited[0], sent_) << "the peer knows what it sent";
}

TEST_F(RelayTest, WhatIsSentAgainBecomesSomethingElse) {
  give({}, sent_, true);
  give({}, sent_, true);
  EXPECT_NE(books_.credited[0], books_.credited[1]);
}

TEST_F(RelayTest, GradeDrbgCountsForThisMachineAloneAnd256BitsAtMost) {
  EXPECT_EQ(give({.credit = true, .own_use = false}, sent_, false), Outcome::uncredited);
  EXPECT_TRUE(books_.credited.empty()) << "nothing that is passed on to others";
  EXPECT_EQ(give({.credit = true, .own_use = true}, sent_, false), Outcome::credited);
  EXPECT_EQ(books_.credited[0].size(), drbg_credit_bytes);
  EXPECT_EQ(give({.credit = true, .own_use = true}, Samples(16, 1), false), Outcome::credited);
  EXPECT_EQ(books_.credited[1].size(), 16U) << "no more than came";
}

TEST_F(RelayTest, WithoutCreditEverythingIsMixedInAndNothingCounts) {
  for (const bool full : {true, false}) {
    for (const bool own_use : {true, false}) {
      EXPECT_EQ(give({.credit = false, .own_use = own_use}, sent_, full), Outcome::uncredited);
    }
  }
  EXPECT_TRUE(books_.credited.empty());
  // What was mixed in changes what comes after it.
  ConditioningKey other{Samples(64)};
  Relay relay(books_, other, 3, {});
  Samples bytes = sent_;
  relay.credit(bytes, true, local_, 7, {});
  give({}, sent_, true);
  EXPECT_NE(books_.credited[0], books_.credited[1]);
}

TEST_F(RelayTest, OfAnEarlierEpochNothingCounts) {
  EXPECT_EQ(give({}, sent_, true, 6), Outcome::outdated);
  EXPECT_TRUE(books_.credited.empty());
}

TEST_F(RelayTest, WhatWasCombinedIsNotBlindedAgain) {
  Relay relay(books_, key_, 3, {});
  Samples bytes = sent_;
  EXPECT_EQ(relay.credit_combined(bytes, true, 7, {}), Outcome::credited);
  EXPECT_EQ(books_.credited[0], sent_);
  EXPECT_EQ(relay.credit_combined(bytes, false, 7, {}), Outcome::uncredited);
}

TEST(ReplayCheckTest, TheSameBytesInARowAreNoticed) {
  ReplayCheck check;
  const Samples one = test::uniform(64, 1);
  const Samples other = test::uniform(64, 2);
  EXPECT_FALSE(check.came_before(one));
  EXPECT_TRUE(check.came_before(one));
  EXPECT_FALSE(check.came_before(other));
  EXPECT_FALSE(check.came_before({})) << "nothing is not what came before";
  EXPECT_TRUE(check.came_before({}));
}

// A host that gives two seeds by turns gives two.
TEST(ReplayCheckTest, WhatCameLongerAgoIsNoticedAmongTheLast256) {
  ReplayCheck check;
  for (std::uint64_t seed = 0; seed < 257; ++seed) {
    EXPECT_FALSE(check.came_before(test::uniform(16, seed))) << seed;
  }
  EXPECT_TRUE(check.came_before(test::uniform(16, 1)));
  EXPECT_TRUE(check.came_before(test::uniform(16, 256)));
  EXPECT_FALSE(check.came_before(test::uniform(16, 0)));
}

// A relay passes on what there is, a byte at a time where its source is slow.
TEST(ReplayCheckTest, AByteThatCameBeforeIsNoReplay) {
  ReplayCheck check;
  EXPECT_FALSE(check.came_before(test::Samples{1}));
  EXPECT_FALSE(check.came_before(test::Samples{2}));
  EXPECT_FALSE(check.came_before(test::Samples{1}));
}

}  // namespace
}  // namespace qanat::entropy
