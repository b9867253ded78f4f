#include "share/fair_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace qanat::share {
namespace {

// Serves `total` bytes; every flow of `weights` asks again at once for `bytes[flow]`.
std::map<FlowId, std::size_t> serve(const std::map<FlowId, double>& weights,
                                    const std::map<FlowId, std::size_t>& bytes, std::size_t total) {
  FairQueue queue;
  std::map<RequestId, FlowId> owner;
  std::map<FlowId, std::size_t> got;
  const auto ask = [&](FlowId flow) {
    owner[queue.add(flow, weights.at(flow), bytes.at(flow))] = flow;
  };
  for (const auto& [flow, weight] : weights) ask(flow);
  for (std::size_t served = 0; served < total;) {
    const auto head = queue.next();
    const FlowId flow = owner.at(head->id);
    queue.served();
    got[flow] += head->bytes;
    served += head->bytes;
    ask(flow);
  }
  return got;
}

TEST(FairQueue, EqualWeightsGetEqualSharesWhateverTheyAskFor) {
  const auto got = serve({{1, 1}, {2, 1}, {3, 1}}, {{1, 16}, {2, 64}, {3, 512}}, 300000);
  for (const auto& [flow, bytes] : got)
    EXPECT_NEAR(static_cast<double>(bytes), 100000, 1024) << flow;
}

TEST(FairQueue, SharesFollowWeights) {
  const auto got = serve({{1, 1}, {2, 2}, {3, 5}}, {{1, 64}, {2, 64}, {3, 64}}, 800000);
  EXPECT_NEAR(static_cast<double>(got.at(1)), 100000, 512);
  EXPECT_NEAR(static_cast<double>(got.at(2)), 200000, 512);
  EXPECT_NEAR(static_cast<double>(got.at(3)), 500000, 512);
}

TEST(FairQueue, IdlenessSavesNothingUp) {
  FairQueue queue;
  for (int i = 0; i < 100; ++i) queue.add(1, 1, 64);
  for (int i = 0; i < 50; ++i) queue.served();
  // Flow 2 arrives late with as many: they alternate, it does not get 50 in a row.
  std::vector<RequestId> late;
  for (int i = 0; i < 100; ++i) late.push_back(queue.add(2, 1, 64));
  int of_late = 0;
  for (int i = 0; i < 20; ++i) {
    of_late += queue.next()->id >= late.front() ? 1 : 0;
    queue.served();
  }
  EXPECT_NEAR(of_late, 10, 1);
}

TEST(FairQueue, OneFlowOfAThousandRequestsIsStillOneShare) {
  FairQueue queue;
  for (int i = 0; i < 1000; ++i) queue.add(1, 1, 64);
  const RequestId other = queue.add(2, 1, 64);
  int position = 0;
  while (queue.next()->id != other) {
    queue.served();
    ++position;
  }
  EXPECT_LE(position, 1);
}

TEST(FairQueue, UrgentGoesFirst) {
  FairQueue queue;
  queue.add(1, 1, 10);
  const RequestId seed = queue.add(2, 1, 48, true);
  EXPECT_EQ(queue.next()->id, seed);
  queue.served();
  EXPECT_EQ(queue.next()->bytes, 10U);
}

TEST(FairQueue, KeepsCountThroughRandomAddsRemovesAndServices) {
  const std::uint64_t seed = 42;
  std::mt19937_64 random(seed);
  FairQueue queue;
  std::map<RequestId, std::size_t> waiting;
  for (int step = 0; step < 20000; ++step) {
    const auto choice = random() % 5;
    if (choice < 2) {
      const std::size_t bytes = 1 + random() % 100;
      waiting[queue.add(random() % 7, 1 + static_cast<double>(random() % 3), bytes,
                        random() % 20 == 0)] = bytes;
    } else if (choice == 2 && !waiting.empty()) {
      auto victim = waiting.begin();
      std::advance(victim, static_cast<std::ptrdiff_t>(random() % waiting.size()));
      EXPECT_TRUE(queue.remove(victim->first));
      EXPECT_FALSE(queue.remove(victim->first));
      waiting.erase(victim);
    } else if (const auto head = queue.next()) {
      ASSERT_EQ(waiting.at(head->id), head->bytes) << "seed " << seed;
      waiting.erase(head->id);
      queue.served();
    }
    std::size_t sum = 0;
    for (const auto& [id, bytes] : waiting) sum += bytes;
    ASSERT_EQ(queue.waiting_bytes(), sum) << "seed " << seed << " step " << step;
    ASSERT_EQ(queue.size(), waiting.size());
    ASSERT_EQ(queue.next().has_value(), !waiting.empty());
  }
}

}  // namespace
}  // namespace qanat::share
