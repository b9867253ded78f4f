#include "share/fair_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace qanat::share {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint start = TimePoint() + 1h;
constexpr std::size_t no_limit = 1 << 30;

struct Wish {
  double weight = 1;
  std::size_t bytes = 64;  // of each request
};

// Serves `total` bytes in slices; every flow asks again as soon as it has what it asked for. What
// each flow was granted.
std::vector<double> serve(const std::vector<Wish>& wishes, std::size_t total,
                          std::size_t slice = 32) {
  FairQueue queue(no_limit);
  std::map<RequestId, std::size_t> owner;
  std::vector<FlowId> flows;
  for (const Wish& wish : wishes) flows.push_back(queue.open(wish.weight));
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    owner[queue.add(flows[i], wishes[i].bytes, start)] = i;
  }
  for (std::size_t served = 0; served < total;) {
    const auto grant = queue.grant(total - served, slice, start);
    served += grant->bytes;
    if (!grant->complete) continue;
    const std::size_t i = owner.at(grant->id);
    owner[queue.add(flows[i], wishes[i].bytes, start)] = i;
  }
  std::vector<double> got;
  for (const FlowId flow : flows)
    got.push_back(static_cast<double>(queue.view(flow).granted_bytes));
  return got;
}

TEST(FairQueue, EqualWeightsGetEqualSharesWhateverTheyAskFor) {
  for (const double bytes : serve({{1, 16}, {1, 64}, {1, 65536}}, 300000)) {
    EXPECT_NEAR(bytes, 100000, 32);
  }
}

TEST(FairQueue, SharesFollowWeights) {
  const auto got = serve({{1, 64}, {2, 64}, {5, 64}}, 800000);
  EXPECT_NEAR(got.at(0), 100000, 64);
  EXPECT_NEAR(got.at(1), 200000, 64);
  EXPECT_NEAR(got.at(2), 500000, 64);
}

TEST(FairQueue, TheExtremesOfWeightAreServedToo) {
  const auto got = serve({{0.001, 64}, {1000, 64}}, 100'000'000, 4096);
  EXPECT_NEAR(got.at(0), 100, 4096) << "a slice is the least";
  EXPECT_GT(got.at(0), 0);
}

TEST(FairQueue, IdlenessSavesNothingUp) {
  FairQueue queue(no_limit);
  const FlowId busy = queue.open(1);
  const FlowId late = queue.open(1);
  for (int i = 0; i < 100; ++i) queue.add(busy, 64, start);
  for (int i = 0; i < 50; ++i) queue.grant(64, 64, start);
  // The other arrives late with as many: they alternate, it does not get 50 in a row.
  for (int i = 0; i < 100; ++i) queue.add(late, 64, start);
  for (int i = 0; i < 20; ++i) queue.grant(64, 64, start);
  EXPECT_NEAR(static_cast<double>(queue.view(late).granted_bytes) / 64, 10, 1);
}

TEST(FairQueue, OneFlowOfTenThousandRequestsIsStillOneShare) {
  FairQueue queue(no_limit);
  const FlowId greedy = queue.open(1);
  const FlowId modest = queue.open(1);
  for (int i = 0; i < 10000; ++i) queue.add(greedy, 64, start);
  queue.add(modest, 6400, start);
  for (int i = 0; i < 400; ++i) queue.grant(32, 32, start);
  EXPECT_NEAR(static_cast<double>(queue.view(modest).granted_bytes), 6400, 64);
}

TEST(FairQueue, UrgentGoesFirst) {
  FairQueue queue(no_limit);
  const FlowId flow = queue.open(1);
  queue.add(flow, 10, start);
  const RequestId seed = queue.add(flow, 48, start, true);
  EXPECT_EQ(queue.grant(20, 32, start)->id, seed);
  const auto rest = queue.grant(100, 32, start);
  EXPECT_EQ(rest->id, seed);
  EXPECT_TRUE(rest->complete);
  EXPECT_EQ(queue.grant(100, 32, start)->bytes, 10U);
  EXPECT_FALSE(queue.grant(100, 32, start));
}

TEST(FairQueue, AGuaranteeIsServedFirstAndOnlySoFar) {
  FairQueue queue(no_limit);
  const FlowId promised = queue.open(1);
  const FlowId other = queue.open(1);
  queue.guarantee(promised, 1000, 64, start);
  queue.add(promised, 1 << 20, start);
  queue.add(other, 1 << 20, start);
  // 2,000 bytes a second for ten seconds, in steps of a millisecond.
  for (int ms = 1; ms <= 10000; ++ms) {
    std::size_t free = 2;
    while (free > 0) free -= queue.grant(free, 32, start + std::chrono::milliseconds(ms))->bytes;
  }
  // Its 1,000 a second and half of what is left: 15,000; and the burst it began with.
  EXPECT_NEAR(static_cast<double>(queue.view(promised).granted_bytes), 15000, 100);
  EXPECT_NEAR(static_cast<double>(queue.view(other).granted_bytes), 5000, 100);
}

TEST(FairQueue, ABurstIsWhatAPauseSavesUpAndNoMore) {
  FairQueue queue(no_limit);
  const FlowId promised = queue.open(0.001);
  const FlowId other = queue.open(1000);
  queue.guarantee(promised, 100, 500, start);
  queue.add(other, 1 << 20, start);
  const auto granted_at = [&](TimePoint now) {
    const auto before = queue.view(promised).granted_bytes;
    queue.add(promised, 1 << 20, now);
    for (int i = 0; i < 1000; ++i) queue.grant(10, 10, now);
    return static_cast<double>(queue.view(promised).granted_bytes - before);
  };
  EXPECT_NEAR(granted_at(start + 1h), 500, 40);
  EXPECT_NEAR(granted_at(start + 1h), 0, 40);
  EXPECT_NEAR(granted_at(start + 1h + 2s), 200, 40);
}

TEST(FairQueue, PartsOfRequestsNeverFillTheReserve) {
  // Ten flows want 1,000 bytes each, and no more than 500 may lie in parts: when they would, one
  // is served to its end.
  FairQueue queue(500);
  for (int i = 0; i < 10; ++i) queue.add(queue.open(1), 1000, start);
  std::size_t complete = 0;
  std::size_t most = 0;
  for (int i = 0; i < 10000 && !queue.empty(); ++i) {
    complete += queue.grant(8, 32, start)->complete ? 1U : 0U;
    most = std::max(most, queue.partial_bytes());
  }
  EXPECT_EQ(complete, 10U);
  EXPECT_LE(most, 500U + 1000U);
}

TEST(FairQueue, AClosedFlowsNumberIsUsedAgainOnlyWhenItsLineIsEmpty) {
  FairQueue queue(no_limit);
  const FlowId flow = queue.open(1);
  queue.add(flow, 10, start);
  queue.close(flow);
  EXPECT_NE(queue.open(1), flow);
  EXPECT_TRUE(queue.grant(10, 32, start)->complete);
  EXPECT_EQ(queue.open(7), flow);
  EXPECT_EQ(queue.view(flow).granted_bytes, 0U) << "nothing of the first one is left";
}

TEST(FairQueue, KeepsCountThroughRandomAddsRemovesAndGrants) {
  const std::uint64_t seed = 42;
  std::mt19937_64 random(seed);
  FairQueue queue(300);
  std::vector<FlowId> flows;
  for (int i = 0; i < 7; ++i) flows.push_back(queue.open(1 + i % 3));
  struct Wait {
    std::size_t wanted;
    std::size_t granted = 0;
  };
  std::map<RequestId, Wait> waiting;
  TimePoint now = start;
  for (int step = 0; step < 20000; ++step) {
    now += std::chrono::milliseconds(random() % 20);
    const auto choice = random() % 6;
    if (choice < 2) {
      const std::size_t bytes = 1 + random() % 100;
      waiting[queue.add(flows[random() % 7], bytes, now, random() % 20 == 0)] = {bytes};
    } else if (choice == 2 && !waiting.empty()) {
      auto victim = waiting.begin();
      std::advance(victim, static_cast<std::ptrdiff_t>(random() % waiting.size()));
      EXPECT_EQ(queue.remove(victim->first), victim->second.granted) << "seed " << seed;
      EXPECT_FALSE(queue.remove(victim->first));
      waiting.erase(victim);
    } else if (choice == 3) {
      const FlowId flow = flows[random() % 7];
      if (random() % 2 == 0) {
        queue.guarantee(flow, static_cast<double>(random() % 1000), 100, now);
      } else {
        queue.set_weight(flow, 0.5 + static_cast<double>(random() % 4));
      }
    } else if (const auto grant = queue.grant(1 + random() % 64, 32, now)) {
      Wait& wait = waiting.at(grant->id);
      wait.granted += grant->bytes;
      ASSERT_LE(wait.granted, wait.wanted) << "seed " << seed << " step " << step;
      ASSERT_EQ(grant->complete, wait.granted == wait.wanted);
      if (grant->complete) waiting.erase(grant->id);
    }
    std::size_t open = 0;
    std::size_t parts = 0;
    for (const auto& [id, wait] : waiting) {
      open += wait.wanted - wait.granted;
      parts += wait.granted;
    }
    ASSERT_EQ(queue.waiting_bytes(), open) << "seed " << seed << " step " << step;
    ASSERT_EQ(queue.partial_bytes(), parts) << "seed " << seed << " step " << step;
    ASSERT_EQ(queue.size(), waiting.size());
    ASSERT_EQ(queue.empty(), waiting.empty());
  }
}

// Clients that ask over a network: the next request comes a while after the last was complete.
struct Reader {
  std::size_t connections = 1;
  double longest_gap = 0.1;  // seconds; the shortest is a tenth of it
  double weight = 1;
  std::size_t bytes = 64;  // of each request
};

// What each was granted in a minute, of a source that gives `block` bytes every `interval`.
std::vector<double> minute(const std::vector<Reader>& readers, std::size_t block, Duration interval,
                           std::size_t slice = 32) {
  std::mt19937_64 random(11);
  FairQueue queue(no_limit);
  std::vector<FlowId> flows;
  std::multimap<TimePoint, std::size_t> coming;  // requests, by when they arrive
  for (std::size_t i = 0; i < readers.size(); ++i) {
    flows.push_back(queue.open(readers[i].weight));
    for (std::size_t c = 0; c < readers[i].connections; ++c) coming.emplace(start, i);
  }
  std::map<RequestId, std::size_t> owner;
  std::vector<double> before;
  std::size_t free = 0;
  const auto received = [&] {
    std::vector<double> bytes;
    for (const FlowId flow : flows) {
      bytes.push_back(static_cast<double>(queue.view(flow).granted_bytes));
    }
    return bytes;
  };
  const auto serve = [&](TimePoint now) {
    while (const auto grant = queue.grant(free, slice, now)) {
      free -= grant->bytes;
      if (!grant->complete) continue;
      const std::size_t i = owner.at(grant->id);
      std::uniform_real_distribution<double> gap(readers[i].longest_gap / 10,
                                                 readers[i].longest_gap);
      coming.emplace(
          now + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(gap(random))),
          i);
    }
  };
  for (TimePoint now = start; now < start + 70s; now += interval) {
    while (!coming.empty() && coming.begin()->first <= now) {
      const auto [at, i] = *coming.begin();
      coming.erase(coming.begin());
      owner[queue.add(flows[i], readers[i].bytes, at)] = i;
      serve(at);
    }
    free += block;
    serve(now);
    if (before.empty() && now >= start + 10s) before = received();
  }
  std::vector<double> got = received();
  for (std::size_t i = 0; i < got.size(); ++i) got[i] = (got[i] - before[i]) / readers[i].weight;
  return got;
}

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

void expect_fair(const std::vector<double>& shares, const std::string& what) {
  const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
  EXPECT_GE(jain_index(shares), 0.999) << what;
  EXPECT_LE(*most, 1.05 * *least) << what << ": from " << *least << " to " << *most;
}

TEST(FairQueue, OneConnectionHasAsMuchAsFifty) {
  // Forty clients on some 3 kB/s, one of which has fifty connections more; round trips from those
  // of one machine to those of a busy one far away.
  std::vector<Reader> readers(40);
  readers[7].connections = 51;
  for (const double gap : {0.001, 0.02, 0.1, 0.4, 0.8, 1.0}) {
    for (Reader& reader : readers) reader.longest_gap = gap;
    for (const auto& [block, interval] : {std::pair{32, 10ms}, {64, 20ms}, {512, 160ms}}) {
      expect_fair(minute(readers, static_cast<std::size_t>(block), interval),
                  std::to_string(gap) + " s, " + std::to_string(block) + " bytes at once");
    }
  }
}

TEST(FairQueue, OneConnectionHasAsMuchAsFiftyByWeightAndOnAFastSource) {
  std::vector<Reader> readers(40);
  for (std::size_t i = 0; i < readers.size(); ++i) {
    readers[i].weight = 1 + static_cast<double>(i % 3);
    readers[i].longest_gap = 0.05;
    readers[i].bytes = 4096;
  }
  readers[7].connections = 51;
  expect_fair(minute(readers, 1000, 1ms, 1000), "1 MB/s");
}

TEST(FairQueue, NobodyGainsByLeavingAndComingBack) {
  // All but one always have two requests in line. The one asks for everything at once, stays away
  // for as long as its place is kept, and comes back, again and again.
  for (const double absence : {0.2, 0.5, 0.9, 1.5, 3.0}) {
    std::vector<Reader> readers(10, {.connections = 2, .longest_gap = 0.001});
    readers[3] = {.connections = 50, .longest_gap = absence};
    const auto got = minute(readers, 32, 10ms);
    const double share = std::accumulate(got.begin(), got.end(), 0.0) / 10;
    EXPECT_LE(got[3], 1.02 * share) << absence;
    EXPECT_GE(*std::min_element(got.begin(), got.end()), std::min(got[3], 0.98 * share));
  }
}

TEST(FairQueue, ManyWhoReturnAtOnceHoldUpNobodyForLong) {
  FairQueue queue(no_limit);
  const FlowId waits = queue.open(1);
  queue.add(waits, 1 << 20, start);
  TimePoint now = start;
  std::vector<FlowId> others;
  for (int i = 0; i < 100; ++i) {
    others.push_back(queue.open(1));
    queue.add(others.back(), 32, now);
  }
  const auto serve_for = [&](Duration time) {
    for (const TimePoint end = now + time; now < end; now += 10ms) queue.grant(32, 32, now);
  };
  serve_for(2500ms);
  // They come back, each for as much as it can get, after the longest absence that is kept.
  for (const FlowId flow : others) queue.add(flow, 1 << 16, now);
  const auto before = queue.view(waits).granted_bytes;
  TimePoint returned = now;
  while (queue.view(waits).granted_bytes == before) serve_for(10ms);
  // A round of slices is a second here; each is ahead by eight, and has the next at once.
  EXPECT_LE(now - returned, 9s + 100ms);
  // After a longer absence nobody is ahead.
  for (int round = 0; round < 2; ++round) {
    const FlowId idle = others[static_cast<std::size_t>(round)];
    serve_for(3s);
    const auto had = queue.view(idle).granted_bytes;
    serve_for(10s);
    EXPECT_NEAR(static_cast<double>(queue.view(idle).granted_bytes - had), 320, 64);
  }
}

TEST(FairQueue, WhoTookWhatNobodyElseWantedIsHeldUpByAFewSlices) {
  FairQueue queue(no_limit);
  const FlowId greedy = queue.open(1);
  const FlowId modest = queue.open(1);
  queue.add(modest, 64, start);
  queue.grant(64, 32, start);
  queue.grant(64, 32, start);
  // A reserve of 16 MiB, in a moment, while the other is away.
  queue.add(greedy, 1 << 24, start);
  queue.grant(1 << 24, 32, start);
  queue.add(modest, 1 << 20, start + 10ms);
  queue.add(greedy, 1 << 20, start + 10ms);
  for (int i = 0; i < 200; ++i) queue.grant(32, 32, start + 20ms);
  EXPECT_GE(queue.view(greedy).granted_bytes - (1 << 24), 32U * (200 - 10) / 2);
}

TEST(IndexedHeap, GivesTheSmallestWhateverWasMovedAndRemoved) {
  std::mt19937_64 random(7);
  IndexedHeap<int> heap;
  std::map<std::uint32_t, int> model;
  for (int step = 0; step < 20000; ++step) {
    const auto index = static_cast<std::uint32_t>(random() % 50);
    if (random() % 3 == 0) {
      heap.remove(index);
      model.erase(index);
    } else {
      const int key = static_cast<int>(random() % 100);
      heap.put(index, key);
      model[index] = key;
    }
    ASSERT_EQ(heap.size(), model.size());
    if (model.empty()) continue;
    const auto least =
        std::min_element(model.begin(), model.end(), [](const auto& a, const auto& b) {
          return std::pair(a.second, a.first) < std::pair(b.second, b.first);
        });
    ASSERT_EQ(heap.top(), least->first);
    ASSERT_EQ(heap.top_key(), least->second);
  }
}

}  // namespace
}  // namespace qanat::share
