#include "observe/conditions.h"

#include <gtest/gtest.h>

namespace qanat::observe {
namespace {

using namespace std::chrono_literals;

class ConditionsTest : public testing::Test {
 protected:
  ConditionsTest() {
    report_.now = TimePoint(1h);
    report_.time_ms = Conditions::least_time_ms + 1000;
    report_.ready = true;
    report_.dispenser.target = 4096;
    report_.dispenser.fill = 4096;
  }
  // Looks once a second, and collects what is told.
  std::vector<EventKind> pass(int seconds) {
    std::vector<EventKind> kinds;
    for (int i = 0; i < seconds; ++i) {
      report_.now += 1s;
      report_.time_ms += 1000;
      for (const Finding& finding : conditions_.look(report_)) kinds.push_back(finding.kind);
    }
    return kinds;
  }
  using Kinds = std::vector<EventKind>;

  NodeReport report_;
  Conditions conditions_;
};

TEST_F(ConditionsTest, NothingIsToldOfANodeThatIsWell) { EXPECT_EQ(pass(300), Kinds{}); }

TEST_F(ConditionsTest, AnEmptyReserveIsToldOnceItLastsAndAgainWhenItIsFull) {
  report_.dispenser.fill = 0;
  report_.dispenser.waiting_requests = 3;
  EXPECT_EQ(pass(4), Kinds{}) << "a burst may do that";
  EXPECT_EQ(pass(10), Kinds{EventKind::reserve_empty});
  report_.dispenser.fill = 100;
  EXPECT_EQ(pass(10), Kinds{}) << "a trickle is no reserve";
  report_.dispenser.fill = 4096;
  EXPECT_EQ(pass(10), Kinds{EventKind::reserve_back});
  report_.dispenser.waiting_requests = 0;
  report_.dispenser.fill = 0;
  EXPECT_EQ(pass(10), Kinds{}) << "nobody wants it";
}

TEST_F(ConditionsTest, OneRequestIsNotToldAsSeveral) {
  for (const auto& [requests, words] :
       {std::pair{1, ": 1 request waits for 48 B, and"}, std::pair{2, ": 2 requests wait for"}}) {
    Conditions conditions;
    report_.dispenser.fill = 0;
    report_.dispenser.waiting_requests = static_cast<std::size_t>(requests);
    report_.dispenser.waiting_bytes = 48;
    std::string told;
    for (int i = 0; i < 20; ++i) {
      report_.now += 1s;
      report_.time_ms += 1000;
      for (const Finding& finding : conditions.look(report_)) told += finding.text;
    }
    EXPECT_NE(told.find(words), std::string::npos) << told;
  }
}

TEST_F(ConditionsTest, AFeedKeepsNoReserve) {
  report_.dispenser = {};
  report_.dispenser.waiting_requests = 1;
  EXPECT_EQ(pass(20), Kinds{});
}

TEST_F(ConditionsTest, ANodeThatIsNotReadyIsToldAfterAMinuteAndLaterAtOnce) {
  report_.ready = false;
  EXPECT_EQ(pass(59), Kinds{});
  EXPECT_EQ(pass(5), Kinds{EventKind::not_ready});
  report_.ready = true;
  EXPECT_EQ(pass(1), Kinds{EventKind::ready});
  report_.ready = false;
  EXPECT_EQ(pass(7), Kinds{EventKind::not_ready});
}

TEST_F(ConditionsTest, AClockThatIsSetIsTold) {
  pass(1);
  report_.time_ms += 3'600'000;
  EXPECT_EQ(pass(2), Kinds{EventKind::clock_off});
  report_.time_ms -= 3'600'000;
  EXPECT_EQ(pass(2), Kinds{EventKind::clock_off});
  report_.time_ms += 2000;
  EXPECT_EQ(pass(2), Kinds{}) << "NTP steps that far";
}

TEST_F(ConditionsTest, AClockThatWasNeverSetIsToldOnce) {
  report_.time_ms = 100'000;
  EXPECT_EQ(pass(5), Kinds{EventKind::clock_off});
}

TEST_F(ConditionsTest, AThreadThatStandsStillIsToldAndItsReturn) {
  report_.threads = {{"io-0", report_.now, false}, {"io-1", report_.now, true}};
  EXPECT_EQ(pass(5), Kinds{EventKind::thread_stuck});
  report_.threads[1].stuck = false;
  EXPECT_EQ(pass(5), Kinds{EventKind::thread_back});
}

// SIGSTOP: every thread is late, and none of them is at fault.
TEST_F(ConditionsTest, AProcessThatWasStoppedIsToldAsAWhole) {
  pass(1);
  report_.threads = {{"io-0", report_.now, true}, {"io-1", report_.now, true}};
  report_.now += 20s;
  report_.time_ms += 20'000;
  EXPECT_EQ(pass(1), Kinds{EventKind::thread_stuck});
  report_.threads = {{"io-0", report_.now, false}, {"io-1", report_.now, false}};
  EXPECT_EQ(pass(5), Kinds{});
}

}  // namespace
}  // namespace qanat::observe
