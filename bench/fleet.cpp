// A fleet that boots at once, simulated: one source, a tree of hubs below it, a million machines
// below those. The dispensers, the transfer sizes and the back-off are the program's own; sockets,
// threads and real time are left out, so that minutes of a million machines take seconds.
//
//   bench_fleet [LEAVES]
//
// Assumed: one millisecond between any two machines; a TLS handshake costs a hub 0.9 ms of one
// core and a request 13 us (docs/performance.md). A machine that boots takes what there is: full
// entropy that is free at once, else a seed of grade drbg (256 bits); after that it feeds once a
// minute, ten seconds in line. Each has a second hub to go to. A hub stays in its parent's line for
// two minutes, and goes to another one when its parent is lost.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <unordered_map>
#include <vector>

#include "base/backoff.h"
#include "base/secret.h"
#include "entropy/drbg_pool.h"
#include "peers/transfer_size.h"
#include "share/dispenser.h"

namespace {

using namespace qanat;
using namespace std::chrono_literals;

constexpr TimePoint epoch = TimePoint() + 1h;
constexpr double source_rate = 10000;  // bytes per second
constexpr Duration round_trip = 1ms;
constexpr double handshake_cost = 0.9e-3;  // seconds of one core
constexpr double request_cost = 13e-6;
constexpr std::size_t reserve_bytes = 4096;
constexpr std::size_t seed_bytes = 64;
constexpr Duration boot_time = 60s;
constexpr Duration feed_interval = 60s;
constexpr Duration in_line = 10s;  // a machine, or a hub with another one to ask
constexpr Duration hub_in_line = 2min;
constexpr std::size_t fan_out = 20;

using Id = std::uint32_t;
enum class What : std::uint8_t {
  source,       // the root's source gives a block
  fetch,        // a hub looks whether it wants bytes
  arrival,      // what a hub waited for is there
  give_up,      // a hub has stood in line in vain
  reseed,       // a hub's DRBG wants a seed
  leaf,         // a machine boots, or feeds
  leaf_served,  // what it stood in line for is there
  leaf_leaves,  // or not
  hub_lost,
  hub_back
};
struct Event {
  TimePoint at;
  What what;
  Id id;
  std::uint32_t round;  // of what it belongs to; out of date when it has moved on
  bool operator>(const Event& other) const { return at > other.at; }
};

struct Hub {
  Hub(std::optional<Id> upper, std::uint64_t seed)
      : parent(upper),
        dispenser(std::make_unique<share::Dispenser>(reserve_bytes, reserve_bytes)),
        backoff(std::make_unique<Backoff>(5s, 5min, seed)),
        busy_backoff(std::make_unique<Backoff>(1s, 30s, seed + 1)) {
    source = dispenser->open_source("source");
    drbg_flow = dispenser->open_flow("drbg");
  }
  std::optional<Id> parent;  // none: the root
  std::unique_ptr<share::Dispenser> dispenser;
  std::unique_ptr<Backoff> backoff;
  std::unique_ptr<Backoff> busy_backoff;
  entropy::SourceId source = 0;
  share::Flow drbg_flow;
  share::Ticket drbg_ticket;
  peers::TransferSize size;
  std::map<Id, share::Flow> flows;  // of the hubs below it, by their id
  share::Flow leaves;
  bool up = true;
  bool seeded = false;
  bool seed_ordered = false;
  bool busy = false;    // fetching, in line or in a back-off
  bool second = false;  // at its second upstream
  share::Ticket place;
  std::size_t asked = 0;
  TimePoint asked_at{};
  std::uint32_t round = 0;
  std::map<std::int64_t, double> work;  // seconds of one core, by second
  std::uint64_t requests = 0;
};

struct Leaf {
  Id hub = 0;
  std::uint32_t round = 0;
  TimePoint booted{};
  TimePoint fed_first{};
  TimePoint fed{};
  bool seeded = false;
  bool full = false;  // the first seed
  std::uint8_t failures = 0;
};

class Fleet {
 public:
  Fleet(std::size_t leaves, bool warm, std::uint64_t seed) : random_(seed) {
    // Four levels of hubs; the machines hang below the lowest.
    add_hub(std::nullopt);
    std::size_t level_begin = 0;
    for (int level = 0; level < 3; ++level) {
      const std::size_t level_end = hubs_.size();
      for (std::size_t upper = level_begin; upper < level_end; ++upper) {
        for (std::size_t i = 0; i < fan_out; ++i) add_hub(static_cast<Id>(upper));
      }
      level_begin = level_end;
    }
    lowest_ = static_cast<Id>(level_begin);
    for (Id id = 0; id < hubs_.size(); ++id) {
      Hub& hub = hubs_[id];
      hub.leaves = hub.dispenser->open_flow("leaves");
      hub.dispenser->on_demand([this, id] { schedule(Duration::zero(), What::fetch, id); });
      if (warm) {
        const std::vector<std::uint8_t> bytes(reserve_bytes);
        hub.dispenser->credit(hub.source, bytes, hub.dispenser->epoch(), now_);
        hub.seeded = true;
      }
      schedule(hub.seeded ? some(reseed_interval()) : Duration::zero(), What::reseed, id);
      schedule(Duration::zero(), id == 0 ? What::source : What::fetch, id);
    }
    leaves_.resize(leaves);
    for (Id id = 0; id < leaves; ++id) {
      leaves_[id].hub = lowest_ + id % static_cast<Id>(hubs_.size() - lowest_);
      const Duration boot = some(boot_time);
      leaves_[id].booted = now_ + boot;
      schedule(boot, What::leaf, id);
    }
  }

  // Places in a hub's line end before the hub.
  ~Fleet() {
    places_.clear();
    for (Hub& hub : hubs_) {
      hub.place = share::Ticket();
      hub.drbg_ticket = share::Ticket();
    }
  }

  void lose(Id hub, Duration at, Duration back) {
    schedule(at, What::hub_lost, hub);
    schedule(back, What::hub_back, hub);
  }
  void run(Duration duration) {
    const TimePoint end = now_ + duration;
    while (!agenda_.empty() && agenda_.top().at <= end) {
      const Event event = agenda_.top();
      agenda_.pop();
      now_ = event.at;
      happen(event);
    }
    now_ = end;
  }
  Id first_below(Id hub) const {
    for (Id id = 0; id < hubs_.size(); ++id) {
      if (hubs_[id].parent == hub) return id;
    }
    return hub;
  }

  void print_seeding() {
    std::vector<double> times;
    std::size_t full = 0;
    for (const Leaf& leaf : leaves_) {
      if (!leaf.seeded) continue;
      times.push_back(seconds(leaf.fed_first - leaf.booted));
      full += leaf.full ? 1U : 0U;
    }
    std::sort(times.begin(), times.end());
    const auto at = [&](double part) {
      return times[std::min(times.size() - 1,
                            static_cast<std::size_t>(part * static_cast<double>(times.size())))];
    };
    fmt::print(
        "  seeded {} of {}, {} of them with full entropy; from boot to seeded: p50 {:.3f} s, p99 "
        "{:.3f} s, "
        "p100 {:.3f} s\n",
        times.size(), leaves_.size(), full, at(0.5), at(0.99), times.back());
  }
  void print_hubs() {
    static constexpr const char* names[] = {"root", "level 1", "level 2", "level 3"};
    std::size_t begin = 0;
    std::size_t count = 1;
    for (const char* name : names) {
      double busiest = 0;
      std::uint64_t requests = 0;
      std::uint64_t delivered = 0;
      std::size_t seeded = 0;
      bool balanced = true;
      for (std::size_t id = begin; id < begin + count; ++id) {
        for (const auto& [second, work] : hubs_[id].work) busiest = std::max(busiest, work);
        requests += hubs_[id].requests;
        const auto report = hubs_[id].dispenser->report();
        delivered += report.total.delivered / 8;
        balanced = balanced && report.total.balanced();
        seeded += hubs_[id].seeded ? 1U : 0U;
      }
      fmt::print(
          "  {:<8} {:>5} hubs, {} with a seeded DRBG: {:>9} requests, {:>8} bytes of full entropy "
          "out; the "
          "busiest second of one took {:.1f} % of a core; books {}\n",
          name, count, seeded, requests, delivered, 100 * busiest,
          balanced ? "balance" : "DO NOT BALANCE");
      begin += count;
      count *= fan_out;
    }
  }
  void print_feeding(Duration since) {
    std::size_t late = 0;
    double longest = 0;
    for (const Leaf& leaf : leaves_) {
      const double age = seconds(now_ - leaf.fed);
      late += age > 1.2 * seconds(feed_interval) ? 1U : 0U;
      longest = std::max(longest, age);
    }
    fmt::print(
        "  {} s later: {} of {} machines were last fed more than 72 s ago; the longest {:.0f} s; "
        "{} feeds went "
        "to a second hub, {} found none\n",
        since / 1s, late, leaves_.size(), longest, second_choices_, nowhere_);
  }

 private:
  static Duration reseed_interval() { return entropy::ReseedPolicy().interval; }
  Duration some(Duration most) {
    return Duration(std::uniform_int_distribution<Duration::rep>(0, most.count())(random_));
  }
  void schedule(Duration in, What what, Id id, std::uint32_t round = 0) {
    agenda_.push({now_ + in, what, id, round});
  }
  void add_hub(std::optional<Id> parent) { hubs_.emplace_back(parent, random_()); }
  void count(Hub& hub, double cost) {
    ++hub.requests;
    hub.work[(now_ - epoch) / 1s] += cost;
  }

  void happen(const Event& event) {
    switch (event.what) {
      case What::source:
        return give();
      case What::fetch:
        return fetch(event.id);
      case What::arrival:
        return arrive(event.id, event.round);
      case What::give_up:
        return give_up(event.id, event.round);
      case What::reseed:
        return reseed(event.id);
      case What::leaf:
        return feed(event.id);
      case What::leaf_served:
        return served(event.id, event.round);
      case What::leaf_leaves:
        return leave(event.id, event.round);
      case What::hub_lost:
        hubs_[event.id].up = false;
        return;
      case What::hub_back:
        hubs_[event.id].up = true;
        return;
    }
  }

  void give() {
    Hub& root = hubs_[0];
    static const std::vector<std::uint8_t> block(64);
    if (root.dispenser->wanted() > 0)
      root.dispenser->credit(root.source, block, root.dispenser->epoch(), now_);
    schedule(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(64 / source_rate)),
             What::source, 0);
  }

  // The upstream of a hub: its parent, or another hub of the parent's level.
  Id upstream(const Hub& hub) const {
    const Id parent = *hub.parent;
    if (!hub.second || parent == 0) return parent;
    const Id first = first_of_level(parent);
    return first + (parent - first + 1) % size_of_level(parent);
  }
  Id first_of_level(Id id) const { return id == 0 ? 0U : id <= 20 ? 1U : id <= 420 ? 21U : 421U; }
  Id size_of_level(Id id) const { return id == 0 ? 1U : id <= 20 ? 20U : id <= 420 ? 400U : 8000U; }

  void fetch(Id id) {
    Hub& hub = hubs_[id];
    if (!hub.parent || hub.busy || !hub.dispenser->demand()) return;
    hub.asked = std::min({hub.dispenser->wanted(), hub.size.bytes(), reserve_bytes});
    if (hub.asked == 0) return;
    hub.busy = true;
    ++hub.round;
    hub.asked_at = now_;
    if (!hubs_[upstream(hub)].up) hub.second = !hub.second;
    const Id above = upstream(hub);
    Hub& upper = hubs_[above];
    if (!upper.up) return pause(id, Duration::zero());
    count(upper, request_cost);
    auto flow = upper.flows.find(id);
    if (flow == upper.flows.end())
      flow = upper.flows.emplace(id, upper.dispenser->open_flow("hub")).first;
    const auto estimate = upper.dispenser->estimate(flow->second.id(), hub.asked, now_);
    if (estimate && estimate->wait > hub_in_line) {
      return refused(id, estimate->wait == Duration::max() ? 5s : estimate->wait - hub_in_line);
    }
    hub.place = upper.dispenser->request(
        flow->second.id(), hub.asked, now_,
        [this, id, round = hub.round] { schedule(round_trip, What::arrival, id, round); });
    if (hub.place.ready()) return schedule(round_trip, What::arrival, id, hub.round);
    schedule(hub_in_line, What::give_up, id, hub.round);
  }
  void refused(Id id, Duration later) {
    Hub& hub = hubs_[id];
    if (hub.size.refused(hub.asked)) {
      hub.busy = false;
      return schedule(round_trip, What::fetch, id);
    }
    pause(id, std::min<Duration>(later, 1h));
  }
  void pause(Id id, Duration asked) {
    Hub& hub = hubs_[id];
    hub.busy = false;
    schedule(asked + (asked > Duration::zero() ? hub.busy_backoff : hub.backoff)->next(),
             What::fetch, id);
  }
  void give_up(Id id, std::uint32_t round) {
    Hub& hub = hubs_[id];
    if (hub.round != round || !hub.busy || hub.place.ready()) return;
    hub.place = share::Ticket();
    refused(id, 5s);
  }
  void arrive(Id id, std::uint32_t round) {
    Hub& hub = hubs_[id];
    if (hub.round != round || !hub.busy) return;
    std::vector<std::uint8_t> bytes(hub.asked);
    hub.place.collect(bytes).delivered(bytes.size());
    hub.backoff->reset();
    hub.busy_backoff->reset();
    hub.size.answered(now_ - hub.asked_at);
    hub.busy = false;
    hub.dispenser->credit(hub.source, bytes, hub.dispenser->epoch(), now_);
    fetch(id);
  }
  // The first seed before everybody else, later ones in turn (share::SeededDrbg).
  void reseed(Id id) {
    Hub& hub = hubs_[id];
    if (!hub.seed_ordered) {
      hub.seed_ordered = true;
      hub.drbg_ticket = hub.dispenser->request_seed(
          hub.drbg_flow.id(), entropy::DrbgPool::seed_bytes, !hub.seeded,
          [this, id] { schedule(Duration::zero(), What::reseed, id); });
    }
    if (!hub.drbg_ticket.ready()) return;  // this comes again when it is
    std::vector<std::uint8_t> seed(entropy::DrbgPool::seed_bytes);
    hub.drbg_ticket.collect(seed).spent_on_reseed();
    hub.seed_ordered = false;
    hub.seeded = true;
    schedule(reseed_interval(), What::reseed, id);
  }

  void feed(Id id) {
    Leaf& leaf = leaves_[id];
    ++leaf.round;
    const Id lowest_count = static_cast<Id>(hubs_.size()) - lowest_;
    Id at = leaf.hub;
    if (!hubs_[at].up) {
      at = lowest_ + (at - lowest_ + 1) % lowest_count;
      ++second_choices_;
    }
    Hub& hub = hubs_[at];
    if (!hub.up) {
      ++nowhere_;
      return again(id, Duration::zero());
    }
    count(hub, request_cost + handshake_cost);
    const Duration patience = leaf.seeded ? in_line : Duration::zero();
    const auto estimate = hub.dispenser->estimate(hub.leaves.id(), seed_bytes, now_);
    if (estimate && estimate->wait > patience) return take_drbg(id, at);
    share::Ticket place = hub.dispenser->request(
        hub.leaves.id(), seed_bytes, now_,
        [this, id, round = leaf.round] { schedule(round_trip, What::leaf_served, id, round); });
    if (place.ready()) {
      std::vector<std::uint8_t> seed(seed_bytes);
      place.collect(seed).delivered(seed.size());
      return done(id, true);
    }
    if (patience == Duration::zero()) return take_drbg(id, at);
    places_.insert_or_assign(id, std::make_pair(at, std::move(place)));
    schedule(patience, What::leaf_leaves, id, leaf.round);
  }
  void served(Id id, std::uint32_t round) {
    const auto found = places_.find(id);
    if (leaves_[id].round != round || found == places_.end()) return;
    std::vector<std::uint8_t> seed(seed_bytes);
    found->second.second.collect(seed).delivered(seed.size());
    places_.erase(found);
    done(id, true);
  }
  void leave(Id id, std::uint32_t round) {
    const auto found = places_.find(id);
    if (leaves_[id].round != round || found == places_.end() || found->second.second.ready())
      return;
    const Id at = found->second.first;
    places_.erase(found);
    take_drbg(id, at);
  }
  void take_drbg(Id id, Id at) {
    count(hubs_[at], request_cost);
    if (hubs_[at].seeded) return done(id, false);
    again(id, 1s);  // "the DRBG has no seed yet", Retry-After: 1
  }
  void again(Id id, Duration asked) {
    // Full jitter, as base/backoff.h: a million of those would be a million generators.
    Leaf& leaf = leaves_[id];
    const bool busy = asked > Duration::zero();
    const auto ceiling =
        std::min<Duration>((busy ? 1s : 5s) * (1 << std::min<int>(leaf.failures, 10)),
                           busy ? Duration(30s) : Duration(5min));
    if (leaf.failures < 255) ++leaf.failures;
    schedule(asked + some(ceiling), What::leaf, id);
  }
  void done(Id id, bool full) {
    Leaf& leaf = leaves_[id];
    leaf.failures = 0;
    leaf.fed = now_ + 3 * round_trip;  // TCP, TLS, the request
    if (!leaf.seeded) {
      leaf.seeded = true;
      leaf.full = full;
      leaf.fed_first = leaf.fed;
    }
    schedule(feed_interval * 9 / 10 + some(feed_interval / 5), What::leaf, id);
  }

  std::priority_queue<Event, std::vector<Event>, std::greater<>> agenda_;
  TimePoint now_ = epoch;
  std::mt19937_64 random_;
  std::vector<Hub> hubs_;
  Id lowest_ = 0;
  std::vector<Leaf> leaves_;
  std::unordered_map<Id, std::pair<Id, share::Ticket>> places_;
  std::uint64_t second_choices_ = 0;
  std::uint64_t nowhere_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  initialise_secret_memory();
  const std::size_t leaves = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1000000;
  constexpr std::uint64_t seed = 20261121;
  fmt::print(
      "{} machines below 8000 relays, 400, 20 and one root with a source of {:.0f} B/s; all boot "
      "within {} s\n",
      leaves, source_rate, boot_time / 1s);
  {
    fmt::print("\nhubs that have been up: reserves of {} bytes full\n", reserve_bytes);
    Fleet fleet(leaves, true, seed);
    fleet.run(120s);
    fleet.print_seeding();
    fleet.print_hubs();
    const Id middle = 1;
    const Id low = fleet.first_below(fleet.first_below(middle));
    fmt::print("\na relay of level 1 and one of level 3 are lost for 5 minutes\n");
    fleet.lose(middle, 0s, 300s);
    fleet.lose(low, 0s, 300s);
    fleet.run(290s);
    fleet.print_feeding(290s);
    fleet.run(120s);
    fleet.print_feeding(410s);
    fleet.print_hubs();
  }
  {
    fmt::print(
        "\neverything cold: the root, the relays and the machines boot in the same minute\n");
    Fleet fleet(leaves, false, seed);
    fleet.run(600s);
    fleet.print_seeding();
    fleet.print_hubs();
  }
}
