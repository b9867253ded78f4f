// Several nodes in one process on a fake clock: the domain's own objects, no threads, no sockets.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <queue>
#include <set>

#include "base/backoff.h"
#include "entropy/blinder.h"
#include "entropy/intake.h"
#include "share/dispenser.h"
#include "support/noise.h"

namespace qanat {
namespace {

using namespace std::chrono_literals;

class FakeClock final : public Clock {
 public:
  TimePoint now() const override { return now_; }
  void advance(Duration by) { now_ += by; }

 private:
  TimePoint now_ = TimePoint() + 1h;
};

// What leaves a node, in pieces of 32 bytes: no piece may be seen twice, anywhere.
class Witness {
 public:
  void saw(Bytes bytes) {
    for (std::size_t at = 0; at + 32 <= bytes.size(); at += 32) {
      repeated_ += seen_.insert(to_hex(bytes.subspan(at, 32))).second ? 0U : 1U;
    }
  }
  std::size_t repeated() const { return repeated_; }
  std::size_t pieces() const { return seen_.size(); }

 private:
  std::set<std::string> seen_;
  std::size_t repeated_ = 0;
};

struct SimNode {
  SimNode(std::string name, std::size_t target)
      : dispenser(target, 4096), key(as_bytes(name)), blinder(key, 0) {}

  // One window from a source of this node.
  void sample(entropy::Intake& intake, const FakeClock& clock, const test::Samples& window) {
    intake.samples(window, clock.now() - 50ms, clock.now());
  }
  // Takes `bytes` from `upstream` as a relay or feed does: paid for in both ledgers. `fate`:
  // whether they arrive.
  bool draw_from(SimNode& upstream, std::size_t bytes, entropy::SourceId account, Witness& witness,
                 bool arrives = true) {
    share::Ticket ticket = upstream.dispenser.request(flow, 1, bytes, [] {});
    if (!ticket.ready()) return false;
    test::Samples transfer(bytes);
    share::Withdrawal withdrawal = ticket.collect(transfer);
    witness.saw(transfer);
    if (!arrives) return false;
    withdrawal.delivered(bytes);
    blinder.blind(transfer, as_bytes("arrival"));
    dispenser.credit(account, transfer);
    return true;
  }

  share::Dispenser dispenser;
  entropy::ConditioningKey key;
  entropy::Blinder blinder;
  share::FlowId flow = 1;
};

void expect_balanced(const share::Dispenser& dispenser) {
  const auto report = dispenser.report();
  EXPECT_TRUE(report.total.balanced());
  for (const auto& [name, account] : report.sources) EXPECT_TRUE(account.balanced()) << name;
}

TEST(Scenario, ASourceThatDiesMidwayStopsTheCreditAtOnceAndComesBackAfterItsRetry) {
  FakeClock clock;
  SimNode hub("hub", 1 << 20);
  std::vector<std::string> events;
  entropy::Intake intake(hub.dispenser.open_source("trng"), {7, true}, hub.key, hub.dispenser, 1,
                         [&](const std::string& text, bool) { events.push_back(text); });
  std::uint64_t seed = 0;
  const auto good = [&] { hub.sample(intake, clock, test::uniform(512, ++seed)); };
  for (int i = 0; i < 100; ++i) good();
  const auto credited = hub.dispenser.report().total.credited;
  EXPECT_GT(credited, 0U);
  for (int i = 0; i < 10 && intake.state() != entropy::SourceState::failed; ++i) {
    hub.sample(intake, clock, test::constant(512, 0));
  }
  EXPECT_EQ(intake.state(), entropy::SourceState::failed);
  EXPECT_EQ(hub.dispenser.report().total.credited, credited);
  clock.advance(intake.retry_at() - clock.now());
  intake.try_again();
  for (int i = 0; i < 20; ++i) good();
  EXPECT_EQ(intake.state(), entropy::SourceState::healthy);
  EXPECT_GT(hub.dispenser.report().total.credited, credited);
  expect_balanced(hub.dispenser);
}

TEST(Scenario, AChainOfThreeNodesLosesNothingAndRepeatsNothing) {
  const std::uint64_t seed = 20240607;
  std::mt19937_64 random(seed);
  FakeClock clock;
  Witness witness;
  SimNode hub("hub", 64 << 10);
  SimNode relay("relay", 16 << 10);
  SimNode leaf("leaf", 0);
  entropy::Intake intake(hub.dispenser.open_source("trng"), {7, true}, hub.key, hub.dispenser, 1,
                         [](const std::string&, bool) {});
  const auto at_relay = relay.dispenser.open_source("hub");
  const auto at_leaf = leaf.dispenser.open_source("relay");
  std::size_t fed = 0;
  for (int step = 0; step < 5000; ++step) {
    clock.advance(50ms);
    // A window now and then, one in fifty of them stuck.
    if (random() % 3 == 0 && intake.state() != entropy::SourceState::failed) {
      hub.sample(intake, clock,
                 random() % 50 == 0 ? test::constant(512, 1) : test::uniform(512, random()));
    } else if (intake.state() == entropy::SourceState::failed && clock.now() >= intake.retry_at()) {
      intake.try_again();
    }
    relay.draw_from(hub, 32 * (1 + random() % 8), at_relay, witness, random() % 10 != 0);
    if (random() % 5 == 0) {
      share::Ticket wanted = leaf.dispenser.request(1, 1, 64, [] {});
      leaf.draw_from(relay, 64, at_leaf, witness, random() % 10 != 0);
      if (wanted.ready()) {
        test::Samples kernel(64);
        share::Withdrawal withdrawal = wanted.collect(kernel);
        witness.saw(kernel);
        withdrawal.delivered(64);
        ++fed;
      }
    }
    if (step % 500 == 0) {
      for (const auto* node : {&hub, &relay, &leaf}) expect_balanced(node->dispenser);
    }
  }
  EXPECT_GT(fed, 500U) << "seed " << seed;
  EXPECT_GT(witness.pieces(), 5000U);
  EXPECT_EQ(witness.repeated(), 0U) << "seed " << seed;
  for (const auto* node : {&hub, &relay, &leaf}) expect_balanced(node->dispenser);
  // What arrived at the relay was credited there one to one.
  EXPECT_EQ(relay.dispenser.report().total.credited, hub.dispenser.report().total.delivered);
}

TEST(Scenario, TenThousandClientsOfALostHubDoNotReturnAsOne) {
  // Each feeds once a minute, at a time of its own. The hub is away for five minutes, then back.
  // Counted: connection attempts in the busiest second. A storm would be all 10,000 in one.
  constexpr std::size_t clients = 10000;
  constexpr auto down = 300s;
  std::mt19937_64 random(3);
  struct Attempt {
    std::chrono::milliseconds at;
    std::size_t client;
    bool operator>(const Attempt& other) const { return at > other.at; }
  };
  std::priority_queue<Attempt, std::vector<Attempt>, std::greater<>> agenda;
  std::vector<Backoff> backoffs;
  for (std::size_t i = 0; i < clients; ++i) {
    backoffs.emplace_back(5s, 5min, random());
    agenda.push({std::chrono::milliseconds(random() % 60000), i});
  }
  std::map<std::int64_t, std::size_t> attempts_in_second;
  std::size_t back = 0;
  std::chrono::milliseconds last{};
  while (!agenda.empty()) {
    const Attempt attempt = agenda.top();
    agenda.pop();
    ++attempts_in_second[attempt.at / 1s];
    if (attempt.at >= down) {
      ++back;
      last = attempt.at;
      continue;
    }
    const auto pause =
        std::chrono::ceil<std::chrono::milliseconds>(backoffs[attempt.client].next());
    agenda.push({attempt.at + pause, attempt.client});
  }
  std::size_t busiest = 0;
  for (const auto& [second, count] : attempts_in_second) busiest = std::max(busiest, count);
  EXPECT_EQ(back, clients);
  EXPECT_LT(busiest, clients / 10);
  EXPECT_LT(last, down + 5min + 1s) << "and everybody is back within the cap";
  std::printf("of %zu clients, %zu tried in the busiest second; the last was back after %.0f s\n",
              clients, busiest, std::chrono::duration<double>(last - down).count());
}

}  // namespace
}  // namespace qanat
