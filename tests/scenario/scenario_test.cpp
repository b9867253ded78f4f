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
    intake.samples(window, dispenser.epoch(), clock.now() - 50ms, clock.now());
  }
  // Takes `bytes` from `upstream` as a relay or feed does: paid for in both ledgers. `fate`:
  // whether they arrive.
  bool draw_from(SimNode& upstream, const share::Flow& line, std::size_t bytes, TimePoint now,
                 entropy::SourceId account, Witness& witness, bool arrives = true) {
    share::Ticket ticket = upstream.dispenser.request(line.id(), bytes, now, [] {});
    if (!ticket.ready()) return false;
    test::Samples transfer(bytes);
    share::Withdrawal withdrawal = ticket.collect(transfer);
    witness.saw(transfer);
    if (!arrives) return false;
    withdrawal.delivered(bytes);
    blinder.blind(transfer, as_bytes("arrival"));
    dispenser.credit(account, transfer, dispenser.epoch(), now);
    return true;
  }

  share::Dispenser dispenser;
  entropy::ConditioningKey key;
  entropy::Blinder blinder;
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
                         [&](const std::string& text, EventKind) { events.push_back(text); });
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
                         [](const std::string&, EventKind) {});
  const auto at_relay = relay.dispenser.open_source("hub");
  const auto at_leaf = leaf.dispenser.open_source("relay");
  const share::Flow hub_to_relay = hub.dispenser.open_flow("relay");
  const share::Flow relay_to_leaf = relay.dispenser.open_flow("leaf");
  const share::Flow kernel_flow = leaf.dispenser.open_flow("kernel");
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
    relay.draw_from(hub, hub_to_relay, 32 * (1 + random() % 8), clock.now(), at_relay, witness,
                    random() % 10 != 0);
    if (random() % 5 == 0) {
      share::Ticket wanted = leaf.dispenser.request(kernel_flow.id(), 64, clock.now(), [] {});
      leaf.draw_from(relay, relay_to_leaf, 64, clock.now(), at_leaf, witness, random() % 10 != 0);
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

// Clients of one hub that has one slow source, all of them as greedy as they can be: each always
// has two requests in line. Counts what each has received.
class Crowd {
 public:
  static constexpr double supply = 10000;     // bytes per second
  static constexpr std::size_t request = 32;  // bytes

  explicit Crowd(std::size_t clients, std::size_t guarantees = 0, std::uint64_t rate = 0) {
    warm_up();
    for (std::size_t i = 0; i < clients; ++i) {
      const share::Terms terms{i < guarantees ? rate : 0, 0, 1};
      members_.push_back({hub_.open_flow("client", terms), {}, {}});
    }
    for (Member& member : members_) {
      for (int i = 0; i < 2; ++i) ask(member);
    }
    advance(2s);  // the reserve is empty, and everybody waits
  }

  void advance(Duration duration) {
    for (const TimePoint end = now_ + duration; now_ < end; now_ += block_time) {
      credit();
      for (const std::size_t ready : std::exchange(*ready_, {})) {
        Member& member = members_[ready];
        test::Samples out(request);
        member.line.front().collect(out).delivered(request);
        member.line.erase(member.line.begin());
        member.received += request;
        ask(member);
      }
    }
  }
  std::vector<double> received() const {
    std::vector<double> out;
    for (const Member& member : members_) out.push_back(member.received);
    return out;
  }
  const share::Dispenser& hub() const { return hub_; }

 private:
  struct Member {
    share::Flow flow;
    std::vector<share::Ticket> line;  // in order
    double received = 0;
  };
  static constexpr Duration block_time =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(64 / supply));

  void credit() { hub_.credit(source_, test::uniform(64, ++seed_), hub_.epoch(), now_); }
  // The supply is proved while the reserve fills; then it is emptied.
  void warm_up() {
    for (int i = 0; i < 2000; ++i, now_ += block_time) credit();
    const share::Flow first = hub_.open_flow("first");
    test::Samples out(hub_.report().fill);
    hub_.request(first.id(), out.size(), now_, [] {}).collect(out).delivered(out.size());
  }
  void ask(Member& member) {
    const auto index = static_cast<std::size_t>(&member - members_.data());
    member.line.push_back(hub_.request(member.flow.id(), request, now_,
                                       [ready = ready_, index] { ready->push_back(index); }));
  }

  TimePoint now_ = TimePoint() + 1h;
  std::uint64_t seed_ = 0;
  share::Dispenser hub_{256 << 10, 256 << 10};
  entropy::SourceId source_ = hub_.open_source("trng");
  std::shared_ptr<std::vector<std::size_t>> ready_ = std::make_shared<std::vector<std::size_t>>();
  std::vector<Member> members_;
};

// Jain, Chiu, Hawe, 1984: 1 when all have the same.
double jain_index(const std::vector<double>& shares) {
  double sum = 0;
  double squares = 0;
  for (const double share : shares) {
    sum += share;
    squares += share * share;
  }
  return sum * sum / (static_cast<double>(shares.size()) * squares);
}

TEST(Scenario, AThousandClientsOfASlowSourceHaveEqualShares) {
  Crowd crowd(1000);
  const auto before = crowd.received();
  crowd.advance(60s);
  auto shares = crowd.received();
  for (std::size_t i = 0; i < shares.size(); ++i) shares[i] -= before[i];
  const double index = jain_index(shares);
  EXPECT_GE(index, 0.999);
  expect_balanced(crowd.hub());
  const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
  std::printf("1000 clients, 10 kB/s, 60 s: Jain index %.6f, from %.0f to %.0f bytes each\n", index,
              *least, *most);
}

TEST(Scenario, AHundredGuaranteesAreKeptInEveryTenSecondsWhileNineHundredPush) {
  // 80 bytes a second each: eight tenths of the supply.
  constexpr std::uint64_t rate = 80;
  Crowd crowd(1000, 100, rate);
  EXPECT_EQ(crowd.hub().report().suspended, 0);
  // Every window of ten seconds that begins at a tenth of a second.
  std::vector<std::vector<double>> history{crowd.received()};
  for (int tenth = 0; tenth < 600; ++tenth) {
    crowd.advance(100ms);
    history.push_back(crowd.received());
  }
  double worst = 1e9;
  for (std::size_t end = 100; end < history.size(); ++end) {
    for (std::size_t i = 0; i < 100; ++i) {
      worst = std::min(worst, (history[end][i] - history[end - 100][i]) / (10.0 * rate));
    }
  }
  EXPECT_GE(worst, 0.99);
  std::vector<double> rest;
  for (std::size_t i = 100; i < 1000; ++i) rest.push_back(history.back()[i] - history.front()[i]);
  const auto [least, most] = std::minmax_element(rest.begin(), rest.end());
  EXPECT_LE(*most - *least, 2.0 * Crowd::request) << "the others share what is left";
  expect_balanced(crowd.hub());
  std::printf(
      "100 guarantees of 80 B/s among 1000 clients, 501 windows of 10 s: the worst had %.1f %% of "
      "its guarantee; the others %.0f to %.0f bytes each in 60 s\n",
      100 * worst, *least, *most);
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
