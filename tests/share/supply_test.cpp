// What may be promised: the supply that is proved, and the guarantees that it allows.
#include <gtest/gtest.h>

#include <random>

#include "share/guarantees.h"
#include "share/supply_meter.h"
#include "share/terms.h"

namespace qanat::share {
namespace {

using namespace std::chrono_literals;

class SupplyMeterTest : public testing::Test {
 protected:
  SupplyMeterTest() { meter_.demand(true, now_); }
  // `rate` bytes per second in blocks of 64.
  void deliver(double rate, Duration duration, entropy::SourceId source = 0) {
    const TimePoint end = now_ + duration;
    const auto gap = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(64 / rate));
    for (; now_ < end; now_ += gap) meter_.credit(source, 64, now_);
  }

  TimePoint now_ = TimePoint() + 1h;
  SupplyMeter meter_;
};

TEST_F(SupplyMeterTest, ProvesWhatIsDelivered) {
  EXPECT_FALSE(meter_.known());
  EXPECT_EQ(meter_.proved(now_), 0);
  deliver(10000, 2s);
  EXPECT_TRUE(meter_.known());
  deliver(10000, 10s);
  EXPECT_NEAR(meter_.proved(now_), 10000, 300);
  EXPECT_NEAR(meter_.usual(now_), 10000, 300);
}

TEST_F(SupplyMeterTest, ASlowSourceIsProvedInItsOwnTime) {
  // A serial key of 100 bytes a second, tested in windows of 512: bursts of 448 every 5 s.
  for (int i = 0; i < 60; ++i, now_ += 4480ms) meter_.credit(0, 448, now_);
  EXPECT_NEAR(meter_.proved(now_), 100, 20);
}

TEST_F(SupplyMeterTest, OneBadSecondChangesNothingTwoDo) {
  deliver(10000, 12s);
  deliver(4000, 1s);
  deliver(10000, 4s);
  EXPECT_NEAR(meter_.proved(now_), 10000, 500);
  deliver(4500, 3s);
  EXPECT_LT(meter_.proved(now_), 5500);
  // And it is believed again only when nearly all of the last eight windows say so.
  deliver(10000, 4s);
  EXPECT_LT(meter_.proved(now_), 5500);
  deliver(10000, 8s);
  EXPECT_NEAR(meter_.proved(now_), 10000, 500);
}

TEST_F(SupplyMeterTest, ASilentSourceIsNoticedWithinSeconds) {
  deliver(10000, 12s);
  now_ += 8s;
  EXPECT_LT(meter_.proved(now_), 1500);
}

TEST_F(SupplyMeterTest, ALostSourceIsOutAtOnceAndProvesItselfAgain) {
  for (int i = 0; i < 1500; ++i, now_ += 8ms) {
    meter_.credit(0, 64, now_);
    if (i % 4 == 0) meter_.credit(1, 64, now_);
  }
  EXPECT_NEAR(meter_.proved(now_), 10000, 500);
  meter_.lost(0);
  EXPECT_NEAR(meter_.proved(now_), 2000, 200);
  EXPECT_FALSE(meter_.all_lost());
  meter_.lost(1);
  EXPECT_TRUE(meter_.all_lost());
  meter_.credit(0, 64, now_);
  EXPECT_FALSE(meter_.all_lost());
  EXPECT_LT(meter_.proved(now_), 100);
}

TEST_F(SupplyMeterTest, TimeInWhichNobodyWantsBytesDoesNotCount) {
  deliver(10000, 12s);
  meter_.demand(false, now_);
  now_ += 10h;
  EXPECT_NEAR(meter_.proved(now_), 10000, 300);
  meter_.demand(true, now_);
  EXPECT_NEAR(meter_.proved(now_), 10000, 300);
  // A short demand in which much comes is a window of its own.
  meter_.credit(0, 32768, now_ + 1ms);
  meter_.demand(false, now_ + 2ms);
  EXPECT_NEAR(meter_.proved(now_), 10000, 300);
}

TEST_F(SupplyMeterTest, WhatComesInAMomentProvesNoMoreThanItselfASecond) {
  // A relay that fills its reserve from another's.
  for (int i = 0; i < 8; ++i, now_ += 1min) {
    meter_.demand(true, now_);
    meter_.credit(0, 16384, now_ + 1ms);
    meter_.demand(false, now_ + 2ms);
  }
  EXPECT_NEAR(meter_.proved(now_), 16384, 1);
  EXPECT_GT(meter_.usual(now_), 1e6) << "but nobody is turned away for it";
}

TEST_F(SupplyMeterTest, AJumpOfTheClockProvesNothing) {
  deliver(10000, 12s);
  now_ += 2h;
  meter_.tick(now_);
  deliver(10000, 2s);
  EXPECT_NEAR(meter_.proved(now_), 10000, 300);
  now_ -= 1h;
  meter_.tick(now_);
  deliver(10000, 2s);
  EXPECT_NEAR(meter_.proved(now_), 10000, 300);
}

using Change = Guarantees::Change;

std::vector<std::pair<FlowId, bool>> flat(const std::vector<Change>& changes) {
  std::vector<std::pair<FlowId, bool>> out;
  for (const Change& change : changes) out.emplace_back(change.flow, change.kept);
  return out;
}

class GuaranteesTest : public testing::Test {
 protected:
  GuaranteesTest() {
    for (const FlowId flow : {1U, 2U, 3U}) guarantees_.add(flow, 300);
    first_ = guarantees_.review(1000, now_);
  }
  Guarantees guarantees_;
  TimePoint now_ = TimePoint() + 1h;
  std::vector<Change> first_;
};

TEST_F(GuaranteesTest, KeepsWhatFitsIntoNineTenths) {
  EXPECT_EQ(flat(first_), (std::vector<std::pair<FlowId, bool>>{{1, true}, {2, true}, {3, true}}));
  for (const Change& change : first_) EXPECT_TRUE(change.first);
  EXPECT_EQ(guarantees_.left(1000), 0);
  EXPECT_EQ(guarantees_.left(2000), 900);
}

TEST_F(GuaranteesTest, SuspendsTheNewestFirstAndRestoresTheOldestFirst) {
  EXPECT_TRUE(guarantees_.review(900, now_).empty()) << "what is promised is all there";
  EXPECT_EQ(flat(guarantees_.review(400, now_)),
            (std::vector<std::pair<FlowId, bool>>{{3, false}, {2, false}}));
  EXPECT_EQ(guarantees_.kept(), 300);
  EXPECT_TRUE(guarantees_.review(1000, now_ + 1s).empty()) << "not yet: it may not last";
  EXPECT_TRUE(guarantees_.review(1000, now_ + 10s).empty());
  EXPECT_EQ(flat(guarantees_.review(1000, now_ + 11s)),
            (std::vector<std::pair<FlowId, bool>>{{2, true}, {3, true}}));
}

TEST_F(GuaranteesTest, DoesNotFlapAtTheEdge) {
  // The supply wavers by 8 % about what is promised, twice a second, for ten minutes.
  std::mt19937_64 random(1);
  std::size_t changes = 0;
  for (int i = 0; i < 1200; ++i) {
    const double supply = 900 + static_cast<double>(random() % 145) - 72;
    changes += guarantees_.review(supply, now_ + i * 500ms).size();
  }
  EXPECT_EQ(changes, 1U) << "one is suspended, and stays so: nine tenths never suffice";
}

TEST_F(GuaranteesTest, WhatIsGivenBackIsFreeForOthers) {
  guarantees_.remove(2);
  EXPECT_EQ(guarantees_.left(1000), 300);
  guarantees_.remove(2);
  EXPECT_EQ(guarantees_.promised(), 600);
}

TEST(Terms, RefusesWhatCannotBe) {
  EXPECT_TRUE(check({}));
  EXPECT_TRUE(check({1, 0, 0.001}));
  EXPECT_TRUE(check({most_rate, most_burst, 1000}));
  for (const Terms& bad :
       {Terms{0, 0, 0}, Terms{0, 0, -1}, Terms{0, 0, 1000.1}, Terms{0, 0, std::nan("")},
        Terms{most_rate + 1, 0, 1}, Terms{~std::uint64_t{0}, 0, 1}, Terms{0, 1, 1},
        Terms{1, most_burst + 1, 1}}) {
    EXPECT_FALSE(check(bad)) << bad.rate << " " << bad.burst << " " << bad.weight;
  }
}

}  // namespace
}  // namespace qanat::share
