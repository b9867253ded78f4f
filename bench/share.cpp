// What sharing costs: time per grant, with so many clients waiting, each of whom asks again as soon
// as it has its bytes.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "base/secret.h"
#include "share/dispenser.h"
#include "share/fair_queue.h"
#include "share/token_bucket.h"

namespace {

using namespace qanat;
using namespace qanat::share;
using namespace std::chrono_literals;

constexpr std::size_t slice = 32;
constexpr std::size_t wish = 64;  // bytes: two grants a request

// One grant, and the new request after every second one.
void grant(benchmark::State& state, bool guarantees) {
  FairQueue queue(1 << 30);
  TimePoint now = TimePoint() + 1h;
  std::vector<FlowId> flows;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    flows.push_back(queue.open(1 + static_cast<double>(i % 3)));
    if (guarantees) queue.guarantee(flows.back(), 100, 100, now);
  }
  std::vector<FlowId> owner(2 * flows.size());
  const auto ask = [&](FlowId flow) {
    owner[static_cast<std::uint32_t>(queue.add(flow, wish, now))] = flow;
  };
  for (const FlowId flow : flows) ask(flow);
  for (auto _ : state) {
    // Guarantees of all together are half of what arrives.
    now += std::chrono::nanoseconds(1000000000LL * slice / (200 * state.range(0)));
    const auto given = queue.grant(slice, slice, now);
    if (given->complete) ask(owner[static_cast<std::uint32_t>(given->id)]);
  }
  state.SetComplexityN(state.range(0));
}
void fair(benchmark::State& state) { grant(state, false); }
void guaranteed(benchmark::State& state) { grant(state, true); }
BENCHMARK(fair)->RangeMultiplier(10)->Range(10, 1000000)->Complexity(benchmark::oLogN);
BENCHMARK(guaranteed)->RangeMultiplier(10)->Range(10, 1000000)->Complexity(benchmark::oLogN);

// The whole way of 64 bytes through the dispenser: credit, two grants, the callback, collecting,
// settling the ledger, the next request.
void dispenser(benchmark::State& state) {
  Dispenser hub(256 << 10, 64 << 10);
  const entropy::SourceId source = hub.open_source("source");
  TimePoint now = TimePoint() + 1h;
  struct Member {
    Flow flow;
    Ticket ticket;
  };
  std::vector<std::size_t> ready;  // outlives the members, whose end makes others ready
  std::vector<Member> members(static_cast<std::size_t>(state.range(0)));
  const auto ask = [&](std::size_t i) {
    members[i].ticket =
        hub.request(members[i].flow.id(), wish, now, [&ready, i] { ready.push_back(i); });
  };
  for (std::size_t i = 0; i < members.size(); ++i) {
    members[i].flow = hub.open_flow("client");
    ask(i);
  }
  std::vector<std::uint8_t> block(wish, 7);
  std::vector<std::uint8_t> out(wish);
  std::vector<std::size_t> served;
  for (auto _ : state) {
    now += 6ms;
    hub.credit(source, block, hub.epoch(), now);
    served.swap(ready);
    for (const std::size_t i : served) {
      members[i].ticket.collect(out).delivered(wish);
      ask(i);
    }
    served.clear();
  }
  state.SetComplexityN(state.range(0));
}
BENCHMARK(dispenser)->RangeMultiplier(10)->Range(10, 100000)->Complexity(benchmark::oLogN);

void bucket(benchmark::State& state) {
  BucketTable table(16384, 42);
  const BucketRate limit{1 << 20, 1 << 20};
  TimePoint now = TimePoint() + 1h;
  std::uint64_t key = 0;
  for (auto _ : state) {
    now += 1us;
    benchmark::DoNotOptimize(table.take(key++ % 100000, limit, 100, now));
  }
}
BENCHMARK(bucket);

}  // namespace

int main(int argc, char** argv) {
  qanat::initialise_secret_memory();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
