#include "share/dispenser.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "share/seeded_drbg.h"
#include "support/noise.h"

namespace qanat::share {
namespace {

using entropy::SourceId;
using namespace std::chrono_literals;

void expect_balanced(const Dispenser& dispenser) {
  const DispenserReport report = dispenser.report();
  EXPECT_TRUE(report.total.balanced())
      << report.total.credited << " != " << report.total.delivered << " + "
      << report.total.discarded << " + " << report.total.reseed << " + " << report.total.reserve;
  for (const auto& [name, account] : report.sources) EXPECT_TRUE(account.balanced()) << name;
}

class DispenserTest : public testing::Test {
 protected:
  Dispenser dispenser_{4096, 1024};
  SourceId source_ = dispenser_.open_source("test");
  Flow flow_ = dispenser_.open_flow("test");
  TimePoint now_ = TimePoint() + 1h;

  void credit(std::size_t bytes) {
    dispenser_.credit(source_, test::uniform(bytes, ++seed_), dispenser_.epoch(), now_);
  }
  std::uint64_t seed_ = 0;
};

TEST_F(DispenserTest, AccountsForEveryFate) {
  credit(1000);
  expect_balanced(dispenser_);
  test::Samples out(100);
  {
    Ticket ticket = dispenser_.request(flow_.id(), 100, now_, [] {});
    ASSERT_TRUE(ticket.ready());
    expect_balanced(dispenser_);
    Withdrawal withdrawal = ticket.collect(out);
    expect_balanced(dispenser_);
    EXPECT_EQ(dispenser_.report().in_flight, 100U);
    withdrawal.delivered(60);
    expect_balanced(dispenser_);
  }
  {
    dispenser_.request(flow_.id(), 100, now_, [] {}).collect(out).spent_on_reseed();
  }
  const auto total = dispenser_.report().total;
  EXPECT_EQ(total.credited, 8000U);
  EXPECT_EQ(total.delivered, 480U);
  EXPECT_EQ(total.discarded, 320U);
  EXPECT_EQ(total.reseed, 800U);
  EXPECT_EQ(total.reserve, 6400U);
  dispenser_.drain();
  EXPECT_EQ(dispenser_.report().total.reserve, 0U);
  expect_balanced(dispenser_);
}

TEST_F(DispenserTest, WhatFindsNoRoomIsDiscardedAndSaid) {
  credit(5000);
  EXPECT_EQ(dispenser_.report().fill, 4096U);
  EXPECT_EQ(dispenser_.report().total.discarded, 8U * (5000 - 4096));
  expect_balanced(dispenser_);
}

TEST_F(DispenserTest, ATicketThatEndsFreesItsBytesForTheNext) {
  credit(100);
  bool ready = false;
  Ticket first = dispenser_.request(flow_.id(), 100, now_, [] {});
  Ticket second = dispenser_.request(flow_.id(), 100, now_, [&] { ready = true; });
  EXPECT_TRUE(first.ready());
  EXPECT_FALSE(second.ready());
  first = Ticket();
  EXPECT_TRUE(ready);
  EXPECT_TRUE(second.ready());
}

TEST_F(DispenserTest, WaitersAreServedAsBytesArrive) {
  int ready = 0;
  std::vector<Ticket> line;
  for (int i = 0; i < 10; ++i)
    line.push_back(dispenser_.request(flow_.id(), 64, now_, [&] { ++ready; }));
  EXPECT_EQ(ready, 0);
  credit(63);
  EXPECT_EQ(ready, 0) << "all or nothing";
  credit(64 * 4 + 1);
  EXPECT_EQ(ready, 5);
  credit(64 * 5);
  EXPECT_EQ(ready, 10);
}

TEST_F(DispenserTest, DemandBeginsLowAndEndsFull) {
  int begun = 0;
  dispenser_.on_demand([&] { ++begun; });
  EXPECT_TRUE(dispenser_.demand());
  credit(4096);
  EXPECT_FALSE(dispenser_.demand());
  test::Samples out(256);
  (void)dispenser_.request(flow_.id(), 256, now_, [] {}).collect(out);
  EXPECT_FALSE(dispenser_.demand()) << "above seven eighths nobody is woken";
  (void)dispenser_.request(flow_.id(), 256, now_, [] {}).collect(out);
  (void)dispenser_.request(flow_.id(), 64, now_, [] {}).collect(MutableBytes(out).first(64));
  EXPECT_TRUE(dispenser_.demand());
  EXPECT_EQ(begun, 1);
}

TEST_F(DispenserTest, WithoutATargetBytesComeOnlyForThoseWhoWait) {
  Dispenser feed(0, 1024);
  const Flow flow = feed.open_flow("kernel");
  const SourceId upstream = feed.open_source("upstream");
  EXPECT_FALSE(feed.demand());
  EXPECT_EQ(feed.wanted(), 0U);
  Ticket ticket = feed.request(flow.id(), 64, now_, [] {});
  EXPECT_TRUE(feed.demand());
  EXPECT_EQ(feed.wanted(), 64U);
  feed.credit(upstream, test::uniform(100, 1), feed.epoch(), now_);
  EXPECT_TRUE(ticket.ready());
  EXPECT_EQ(feed.report().fill, 64U) << "nothing grows stale";
  EXPECT_FALSE(feed.demand());
  expect_balanced(feed);
}

TEST_F(DispenserTest, NoByteTwiceAndNoBitLostUnderThreads) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::set<std::uint64_t> seen;
  std::atomic<std::size_t> twice{0};
  std::atomic<std::uint64_t> next{0};
  for (int producer = 0; producer < 2; ++producer) {
    threads.emplace_back([&, id = dispenser_.open_source("p" + std::to_string(producer))] {
      while (!stop) {
        // Words that never repeat, so that a repeated one is a byte given twice.
        std::array<std::uint64_t, 8> words{};
        for (auto& word : words) word = ++next;
        dispenser_.credit(id, {reinterpret_cast<const std::uint8_t*>(words.data()), sizeof words},
                          dispenser_.epoch(), now_);
      }
    });
  }
  std::vector<std::thread> consumers;
  for (int consumer = 0; consumer < 3; ++consumer) {
    consumers.emplace_back([&, flow = dispenser_.open_flow("consumer"), consumer] {
      std::mt19937_64 random(static_cast<std::uint64_t>(consumer));
      for (int i = 0; i < 2000; ++i) {
        // Shared, as a callback may come after this round has ended.
        const auto ready = std::make_shared<std::atomic<bool>>(false);
        const std::size_t words = 1 + random() % 8;
        Ticket ticket = dispenser_.request(flow.id(), 8 * words, now_, [ready] { *ready = true; });
        if (random() % 4 == 0) continue;  // gives up
        while (!ticket.ready()) std::this_thread::yield();
        std::array<std::uint64_t, 8> out{};
        Withdrawal withdrawal =
            ticket.collect({reinterpret_cast<std::uint8_t*>(out.data()), 8 * words});
        if (random() % 4 != 0) withdrawal.delivered(8 * words);
        const std::scoped_lock lock(mutex);
        for (std::size_t w = 0; w < words; ++w) twice += seen.insert(out[w]).second ? 0 : 1;
      }
    });
  }
  for (auto& thread : consumers) thread.join();
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(twice, 0U);
  EXPECT_GT(seen.size(), 1000U);
  expect_balanced(dispenser_);
}

TEST_F(DispenserTest, ALargeRequestIsFilledInSlicesBesideOthers) {
  const Flow other = dispenser_.open_flow("other");
  Ticket large = dispenser_.request(flow_.id(), 1024, now_, [] {});
  std::size_t small_done = 0;
  for (int i = 0; i < 16; ++i) {
    Ticket small = dispenser_.request(other.id(), 32, now_, [] {});
    credit(64);
    if (!small.ready()) continue;
    test::Samples out(32);
    small.collect(out).delivered(32);
    ++small_done;
  }
  EXPECT_EQ(small_done, 16U) << "nobody waits until the large one is done";
  EXPECT_FALSE(large.ready());
  credit(512);
  EXPECT_TRUE(large.ready());
  expect_balanced(dispenser_);
}

TEST_F(DispenserTest, WhatARequestInVainHadIsFreeForOthers) {
  {
    Ticket large = dispenser_.request(flow_.id(), 1000, now_, [] {});
    credit(600);
    EXPECT_EQ(dispenser_.report().fill, 600U);
  }
  const Flow other = dispenser_.open_flow("other");
  EXPECT_TRUE(dispenser_.request(other.id(), 600, now_, [] {}).ready());
  expect_balanced(dispenser_);
}

TEST_F(DispenserTest, WhatCouldNeverBeCompleteIsNoRequest) {
  EXPECT_THROW(dispenser_.request(flow_.id(), 1025, now_, [] {}), Failure);
  EXPECT_THROW(dispenser_.request(flow_.id(), 0, now_, [] {}), Failure);
  EXPECT_EQ(dispenser_.report().waiting_requests, 0U);
}

TEST_F(DispenserTest, ACrowdOfTheLargestRequestsNeverLocksUp) {
  // Parts, complete ones that nobody has collected yet and a DRBG's seed: all at the same time, for
  // any order of collecting and leaving.
  const std::uint64_t seed = 11;
  std::mt19937_64 random(seed);
  std::vector<Flow> flows;
  for (int i = 0; i < 20; ++i) flows.push_back(dispenser_.open_flow("flow"));
  std::vector<Ticket> line;
  std::size_t served = 0;
  for (int step = 0; step < 20000; ++step) {
    if (line.size() < 40) {
      line.push_back(
          dispenser_.request(flows[random() % 20].id(), 1 + random() % 1024, now_, [] {}));
    }
    if (random() % 50 == 0)
      line.erase(line.begin() + static_cast<std::ptrdiff_t>(random() % line.size()));
    if (random() % 3 == 0) {
      const auto ready = std::find_if(line.begin(), line.end(),
                                      [](const Ticket& ticket) { return ticket.ready(); });
      if (ready != line.end()) {
        test::Samples out(ready->bytes());
        ready->collect(out).delivered(out.size());
        line.erase(ready);
        ++served;
      }
    }
    if (dispenser_.wanted() > 0) credit(64);
    now_ += 1ms;
  }
  EXPECT_GT(served, 1500U) << "seed " << seed;
  expect_balanced(dispenser_);
}

// Bytes arrive at `rate` for a while; everybody who is asked for wants more all the time.
class SharedSupply : public DispenserTest {
 protected:
  void deliver(double rate, Duration duration, const std::vector<const Flow*>& hungry = {}) {
    const TimePoint end = now_ + duration;
    std::vector<Ticket> waiting(hungry.size());
    test::Samples out(64);
    for (; now_ < end;
         now_ += std::chrono::duration_cast<Duration>(std::chrono::duration<double>(64 / rate))) {
      for (std::size_t i = 0; i < hungry.size(); ++i) {
        if (waiting[i].bytes() > 0 && !waiting[i].ready()) continue;
        if (waiting[i].bytes() > 0) {
          waiting[i].collect(out).delivered(64);
          delivered_[hungry[i]] += 64;
        }
        waiting[i] = dispenser_.request(hungry[i]->id(), 64, now_, [] {});
      }
      credit(64);
    }
  }
  std::map<const Flow*, double> delivered_;
};

TEST_F(SharedSupply, ASupplyThatFallsSuspendsAndOneThatReturnsRestores) {
  std::vector<std::string> events;
  dispenser_.on_guarantee([&](const GuaranteeChange& change) {
    events.push_back(*change.name + (change.kept ? " kept" : " suspended"));
  });
  const Flow greedy = dispenser_.open_flow("greedy");
  deliver(10000, 12s, {&greedy});
  const Flow old_client = dispenser_.open_flow("old", {3000, 0, 1});
  const Flow new_client = dispenser_.open_flow("new", {3000, 0, 1});
  deliver(10000, 10s, {&greedy, &old_client, &new_client});
  EXPECT_TRUE(events.empty()) << "kept for the first time is no news";
  EXPECT_TRUE(new_client.report().kept);
  EXPECT_NEAR(delivered_[&old_client], 10 * (3000 + 4000. / 3), 2000);
  const auto refused = dispenser_.check_promise(4000, now_);
  ASSERT_FALSE(refused);
  EXPECT_FALSE(refused.error().unproved);
  EXPECT_NE(refused.error().message.find("at most"), std::string::npos);
  EXPECT_TRUE(dispenser_.check_promise(2000, now_));

  deliver(4000, 6s, {&greedy, &old_client, &new_client});
  EXPECT_EQ(events, std::vector<std::string>{"new suspended"});
  EXPECT_TRUE(old_client.report().kept);
  EXPECT_FALSE(new_client.report().kept);
  deliver(10000, 30s, {&greedy, &old_client, &new_client});
  EXPECT_EQ(events, (std::vector<std::string>{"new suspended", "new kept"}));
  // A source that is lost suspends at once.
  dispenser_.lost(source_, now_);
  EXPECT_EQ(events.size(), 4U);
  EXPECT_FALSE(old_client.report().kept);
  expect_balanced(dispenser_);
}

TEST_F(SharedSupply, NothingIsPromisedBeforeAnythingIsProved) {
  const auto refused = dispenser_.check_promise(1, now_);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().unproved);
}

TEST_F(SharedSupply, EstimatesTheWaitInLineAndAlone) {
  EXPECT_FALSE(dispenser_.estimate(flow_.id(), 64, now_)) << "nothing is known yet";
  std::vector<Flow> others;
  std::vector<const Flow*> hungry;
  for (int i = 0; i < 9; ++i) others.push_back(dispenser_.open_flow("other"));
  for (const Flow& other : others) hungry.push_back(&other);
  deliver(10000, 12s, hungry);
  std::vector<Ticket> waiting;
  for (const Flow& other : others)
    waiting.push_back(dispenser_.request(other.id(), 1024, now_, [] {}));
  const auto estimate = dispenser_.estimate(flow_.id(), 1000, now_);
  ASSERT_TRUE(estimate);
  EXPECT_NEAR(seconds(estimate->wait), 1, 0.2) << "a tenth of 10 kB/s";
  EXPECT_NEAR(seconds(estimate->alone), 0.1, 0.02);
  dispenser_.lost(source_, now_);
  EXPECT_EQ(dispenser_.estimate(flow_.id(), 1000, now_)->wait, Duration::max());
}

TEST_F(SharedSupply, AClockThatJumpsBreaksNoPromise) {
  const Flow greedy = dispenser_.open_flow("greedy");
  deliver(10000, 12s, {&greedy});
  const Flow promised = dispenser_.open_flow("promised", {4000, 0, 1});
  for (const Duration jump : {Duration(0s), Duration(5h), Duration(-9h), Duration(1min)}) {
    now_ += jump;
    delivered_.clear();
    deliver(10000, 10s, {&greedy, &promised});
    EXPECT_GE(delivered_[&promised], 0.99 * 10 * 4000) << seconds(jump);
    EXPECT_GE(delivered_[&greedy], 0.9 * 10 * 3000) << seconds(jump);
    EXPECT_TRUE(promised.report().kept) << seconds(jump);
  }
}

TEST_F(DispenserTest, FirstSeedsOfDrbgsGoBeforeAllAndArePaidFor) {
  Ticket waiting = dispenser_.request(flow_.id(), 64, now_, [] {});
  const auto drbg = SeededDrbg::make(dispenser_, 2, {});
  drbg->pool().start();
  credit(96);
  EXPECT_TRUE(drbg->pool().ready());
  EXPECT_FALSE(waiting.ready());
  EXPECT_EQ(dispenser_.report().total.reseed, 8U * 96);
  expect_balanced(dispenser_);
  credit(64);
  EXPECT_TRUE(waiting.ready());
  drbg->stop();
}

TEST_F(DispenserTest, BytesOfBeforeARenewalAreNotCredited) {
  const entropy::Epoch before = dispenser_.epoch();
  EXPECT_TRUE(dispenser_.credit(source_, test::uniform(64, 1), before, now_));
  const auto account = dispenser_.report().total;
  EXPECT_EQ(dispenser_.renew(), before + 1);
  EXPECT_FALSE(dispenser_.credit(source_, test::uniform(64, 2), before, now_));
  EXPECT_EQ(dispenser_.report().total.credited, account.credited);
  EXPECT_EQ(dispenser_.available(), 0U);
  EXPECT_TRUE(dispenser_.credit(source_, test::uniform(64, 3), before + 1, now_));
  EXPECT_TRUE(dispenser_.report().total.balanced());
}

}  // namespace
}  // namespace qanat::share
