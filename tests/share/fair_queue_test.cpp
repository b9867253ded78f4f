#include "share/fair_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
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
