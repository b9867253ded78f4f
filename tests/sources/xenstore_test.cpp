#include "sources/xenstore.h"

#include <gtest/gtest.h>

#include <mutex>

#include "sources/registry.h"
#include "support/eventually.h"
#include "support/fake_xenstored.h"
#include "support/temporary_directory.h"

namespace qanat::sources {
namespace {

using test::eventually;

class XenstoreSourceTest : public testing::Test {
 protected:
  using Kind = wire::xenstore::Kind;
  const std::string seed_path = "data/random-seed";
  struct Seen {
    std::string seed;
    std::size_t credited = 0;
  };

  SourceServices services(bool seeds) {
    return {.dispenser = dispenser_,
            .key = key_,
            .provenance = provenance_,
            .clock = clock_,
            .on_event = [](const std::string&, const std::string&, EventKind) {},
            .cookie_directory = {},
            .on_fresh_seed =
                [this](const std::string&, const FreshSeed& seed) {
                  dispenser_.renew();  // as a node does
                  const std::scoped_lock lock(mutex_);
                  fresh_.push_back({to_hex(seed.bytes), seed.credited});
                  return taken_.load();
                },
            .seeds = seeds};
  }
  std::unique_ptr<Xenstore> source(bool credit = true, bool seeds = true, bool insist = false) {
    auto made = std::make_unique<Xenstore>(
        XenstoreSettings{"xenstore", seed_path, path(), credit, insist}, services(seeds));
    dispenser_.on_demand([xenstore = made.get()] { xenstore->wake(); });
    made->start();
    return made;
  }
  std::vector<Seen> fresh() {
    const std::scoped_lock lock(mutex_);
    return fresh_;
  }
  entropy::Account total() const { return dispenser_.report().total; }
  std::string path() const { return temporary_.path() + "/socket"; }
  static std::string seed(unsigned number) {
    return std::string(30, 'a') + to_hex(Samples{static_cast<std::uint8_t>(number)});
  }
  void host_writes(unsigned number, const std::string& generation = "0123456789abcdef") {
    xen_->write(seed_path + "-generation", generation);
    xen_->write(seed_path, seed(number));
  }
  bool is_taken() {
    return eventually([&] { return xen_->at(seed_path) == ""; });
  }
  share::Ticket want(std::size_t bytes) {
    return dispenser_.request(flow_.id(), bytes, clock_.now(), [] {});
  }
  using Samples = test::Samples;

  const test::TemporaryDirectory temporary_;
  std::unique_ptr<test::FakeXenstored> xen_ = std::make_unique<test::FakeXenstored>(path());
  share::Dispenser dispenser_{0, 4096};
  share::Flow flow_ = dispenser_.open_flow("test");
  entropy::ConditioningKey key_{Samples(64)};
  entropy::Provenance provenance_;
  Clock clock_;
  std::mutex mutex_;
  std::vector<Seen> fresh_;
  std::atomic<bool> taken_{true};
};

TEST_F(XenstoreSourceTest, TheFirstSeedIsFreshAndTakenAway) {
  const auto xenstore = source();
  ASSERT_TRUE(eventually([&] { return xen_->heard(Kind::end) >= 1; })) << "nothing is there";
  EXPECT_EQ(xenstore->report().state, entropy::SourceState::start_up);
  host_writes(1);
  ASSERT_TRUE(eventually([&] { return fresh().size() == 1; }));
  EXPECT_EQ(fresh()[0].seed, seed(1));
  EXPECT_EQ(fresh()[0].credited, 16U);
  EXPECT_TRUE(is_taken());
  EXPECT_TRUE(
      eventually([&] { return xenstore->report().state == entropy::SourceState::healthy; }));
  EXPECT_EQ(total().credited, 0U) << "it went to the kernel, which has paid for it";
}

TEST_F(XenstoreSourceTest, ALaterOneIsForWhoeverWaitsAndAnotherGenerationIsACopy) {
  host_writes(1);
  const auto xenstore = source();
  ASSERT_TRUE(eventually([&] { return fresh().size() == 1; }));
  const auto before = key_.generation();
  host_writes(2);
  ASSERT_TRUE(eventually([&] { return key_.generation() > before; })) << "mixed in";
  EXPECT_EQ(total().credited, 0U) << "nobody waits";
  const share::Ticket place = want(16);
  host_writes(3);
  ASSERT_TRUE(eventually([&] { return place.ready(); }));
  EXPECT_EQ(total().credited, 128U);
  EXPECT_EQ(fresh().size(), 1U) << "by the clock: nothing is renewed";
  host_writes(4, "fedcba9876543210");
  ASSERT_TRUE(eventually([&] { return fresh().size() == 2; }));
  xen_->write("domid", "7");
  host_writes(5, "fedcba9876543210");
  ASSERT_TRUE(eventually([&] { return fresh().size() == 3; }))
      << "of a host that writes seeds alone";
  EXPECT_EQ(fresh()[2].credited, 16U);
  EXPECT_TRUE(total().balanced());
}

TEST_F(XenstoreSourceTest, AsksForAnotherByRemovingItWhenBytesAreWanted) {
  host_writes(1);
  const auto xenstore = source();
  ASSERT_TRUE(is_taken());
  const share::Ticket place = want(16);
  ASSERT_TRUE(eventually([&] { return !xen_->at(seed_path); }));
  host_writes(2);
  EXPECT_TRUE(eventually([&] { return place.ready(); }));
  EXPECT_EQ(xen_->heard(Kind::remove), 1U);
}

TEST_F(XenstoreSourceTest, WhatItMayNotTakeAwayCountsWhenItComesAndNotWhenItLiesThere) {
  taken_ = false;
  xen_->refuse(Kind::write, seed_path, "EACCES");
  host_writes(1);
  const share::Ticket place = want(32);
  const auto xenstore = source();
  ASSERT_TRUE(eventually([&] { return fresh().size() == 1; }));
  EXPECT_EQ(fresh()[0].credited, 0U) << "it may have counted before a restart of ours";
  xen_->tell(seed_path);
  xen_->write(seed_path, seed(1));
  host_writes(2);
  ASSERT_TRUE(eventually([&] { return total().credited == 128U; }));
  EXPECT_EQ(xenstore->report().alarms, 0U) << "what lies there is no new one";
  EXPECT_EQ(xen_->heard(Kind::remove), 0U) << "nor can it ask";
  const auto insists = source(true, true, true);
  ASSERT_TRUE(eventually([&] { return fresh().size() == 2; }));
  EXPECT_EQ(fresh()[1].credited, 16U) << "the operator's word";
}

TEST_F(XenstoreSourceTest, ASeedThatTheHostWritesTwiceCountsOnce) {
  host_writes(1);
  const auto xenstore = source();
  ASSERT_TRUE(is_taken());
  const share::Ticket place = want(16);
  host_writes(1);
  ASSERT_TRUE(eventually([&] { return xenstore->report().alarms == 1; }));
  EXPECT_TRUE(
      eventually([&] { return xenstore->report().state == entropy::SourceState::suspect; }));
  EXPECT_EQ(total().credited, 0U);
}

TEST_F(XenstoreSourceTest, OfADrbgNothingIsPassedOn) {
  taken_ = false;
  const auto xenstore = source(true, false);
  host_writes(1, "0123456789abcdef drbg");
  ASSERT_TRUE(eventually([&] { return fresh().size() == 1; }));
  EXPECT_EQ(fresh()[0].credited, 16U) << "to the kernel";
  const share::Ticket place = want(16);
  const auto before = key_.generation();
  host_writes(2, "0123456789abcdef drbg");
  ASSERT_TRUE(eventually([&] { return key_.generation() > before; }));
  EXPECT_EQ(total().credited, 0U);
  host_writes(3);
  EXPECT_TRUE(eventually([&] { return place.ready(); }));
  EXPECT_EQ(fresh().size(), 1U) << "another grade is no other machine";
}

TEST_F(XenstoreSourceTest, ATextThatIsNoSeedIsSaidSoAndLeftAlone) {
  const auto xenstore = source();
  xen_->write(seed_path, "zoom");
  ASSERT_TRUE(
      eventually([&] { return xenstore->report().state == entropy::SourceState::suspect; }));
  EXPECT_GE(xenstore->report().dropped.at("no_seed"), 1U);
  EXPECT_EQ(xen_->at(seed_path), "zoom");
  host_writes(1);
  EXPECT_TRUE(
      eventually([&] { return xenstore->report().state == entropy::SourceState::healthy; }));
}

TEST_F(XenstoreSourceTest, WhatIsWrittenMeanwhileIsNotLost) {
  xen_->conflicts = 2;
  const auto xenstore = source();
  host_writes(1);
  ASSERT_TRUE(eventually([&] { return fresh().size() == 1; }));
  EXPECT_TRUE(is_taken());
}

TEST_F(XenstoreSourceTest, XenstoredThatEndsOrIsSilentIsComeBackTo) {
  host_writes(1);
  const auto xenstore = source();
  ASSERT_TRUE(eventually([&] { return fresh().size() == 1; }));
  xen_ = nullptr;
  ASSERT_TRUE(eventually([&] { return xenstore->report().state == entropy::SourceState::gone; }));
  ::unlink(path().c_str());
  xen_ = std::make_unique<test::FakeXenstored>(path());
  host_writes(2, "fedcba9876543210");
  ASSERT_TRUE(eventually([&] { return fresh().size() == 2; }));
  xen_->silent = true;
  xen_->tell(seed_path);
  ASSERT_TRUE(eventually([&] { return xen_->heard(Kind::begin) >= 2; }));
  const auto began = std::chrono::steady_clock::now();
  xenstore->request_stop();
  EXPECT_TRUE(xenstore->join(std::chrono::seconds(10)));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(4)) << "of 5";
}

TEST_F(XenstoreSourceTest, WithoutCreditItIsMixedIn) {
  host_writes(1);
  const auto xenstore = source(false);
  ASSERT_TRUE(eventually([&] { return fresh().size() == 1; }));
  EXPECT_EQ(fresh()[0].credited, 0U);
}

TEST_F(XenstoreSourceTest, APathThatIsNoneIsSaidSo) {
  EXPECT_THROW(plan_source("xenstore:a b"), Failure);
  EXPECT_THROW(plan_source("xenstore:data/*"), Failure);
  EXPECT_TRUE(plan_source("xenstore").claim.credit);
  EXPECT_TRUE(is_host_seed("xenstore:data/random-seed?socket=/x"));
  Xenstore none(XenstoreSettings{"xenstore", seed_path, path() + "none"}, services(true));
  none.start();
  EXPECT_TRUE(eventually([&] { return none.report().state == entropy::SourceState::gone; }));
  EXPECT_NE(none.report().detail.find(path() + "none"), std::string::npos);
}

}  // namespace
}  // namespace qanat::sources
