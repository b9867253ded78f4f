#include "share/dispenser.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "share/seeded_drbg.h"
#include "support/noise.h"

namespace qanat::share {
namespace {

using entropy::SourceId;

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
  FlowId flow_ = dispenser_.open_flow();

  void credit(std::size_t bytes) { dispenser_.credit(source_, test::uniform(bytes, ++seed_)); }
  std::uint64_t seed_ = 0;
};

TEST_F(DispenserTest, AccountsForEveryFate) {
  credit(1000);
  expect_balanced(dispenser_);
  test::Samples out(100);
  {
    Ticket ticket = dispenser_.request(flow_, 1, 100, [] {});
    ASSERT_TRUE(ticket.ready());
    expect_balanced(dispenser_);
    Withdrawal withdrawal = ticket.collect(out);
    expect_balanced(dispenser_);
    EXPECT_EQ(dispenser_.report().in_flight, 100U);
    withdrawal.delivered(60);
    expect_balanced(dispenser_);
  }
  {
    dispenser_.request(flow_, 1, 100, [] {}).collect(out).spent_on_reseed();
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
  Ticket first = dispenser_.request(flow_, 1, 100, [] {});
  Ticket second = dispenser_.request(flow_, 1, 100, [&] { ready = true; });
  EXPECT_TRUE(first.ready());
  EXPECT_FALSE(second.ready());
  first = Ticket();
  EXPECT_TRUE(ready);
  EXPECT_TRUE(second.ready());
}

TEST_F(DispenserTest, WaitersAreServedAsBytesArrive) {
  int ready = 0;
  std::vector<Ticket> line;
  for (int i = 0; i < 10; ++i) line.push_back(dispenser_.request(flow_, 1, 64, [&] { ++ready; }));
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
  (void)dispenser_.request(flow_, 1, 256, [] {}).collect(out);
  EXPECT_FALSE(dispenser_.demand()) << "above seven eighths nobody is woken";
  (void)dispenser_.request(flow_, 1, 256, [] {}).collect(out);
  (void)dispenser_.request(flow_, 1, 64, [] {}).collect(MutableBytes(out).first(64));
  EXPECT_TRUE(dispenser_.demand());
  EXPECT_EQ(begun, 1);
}

TEST_F(DispenserTest, WithoutATargetBytesComeOnlyForThoseWhoWait) {
  Dispenser feed(0, 1024);
  const SourceId upstream = feed.open_source("upstream");
  EXPECT_FALSE(feed.demand());
  EXPECT_EQ(feed.wanted(), 0U);
  Ticket ticket = feed.request(feed.open_flow(), 1, 64, [] {});
  EXPECT_TRUE(feed.demand());
  EXPECT_EQ(feed.wanted(), 64U);
  feed.credit(upstream, test::uniform(100, 1));
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
        dispenser_.credit(id, {reinterpret_cast<const std::uint8_t*>(words.data()), sizeof words});
      }
    });
  }
  std::vector<std::thread> consumers;
  for (int consumer = 0; consumer < 3; ++consumer) {
    consumers.emplace_back([&, flow = dispenser_.open_flow(), consumer] {
      std::mt19937_64 random(static_cast<std::uint64_t>(consumer));
      for (int i = 0; i < 2000; ++i) {
        // Shared, as a callback may come after this round has ended.
        const auto ready = std::make_shared<std::atomic<bool>>(false);
        const std::size_t words = 1 + random() % 8;
        Ticket ticket = dispenser_.request(flow, 1, 8 * words, [ready] { *ready = true; });
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

TEST_F(DispenserTest, SeedsOfDrbgsComeFirstAndArePaidFor) {
  Ticket waiting = dispenser_.request(flow_, 1, 64, [] {});
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

}  // namespace
}  // namespace qanat::share
