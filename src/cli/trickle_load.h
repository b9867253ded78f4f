// Load for a trickle server: many clients with sessions of their own, on one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "peers/http_client.h"
#include "wire/trickle.h"

namespace qanat::cli {

struct TrickleLoad {
  std::size_t clients = 100;
  double rate = 0;  // questions a second, all together; 0: each asks again when it is answered
  Duration length = std::chrono::seconds(10);
  std::size_t bytes = 64;
  wire::trickle::Grade grade = wire::trickle::Grade::drbg;
};

struct TrickleLoadResult {
  double seconds = 0;
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  std::uint64_t lost = 0;  // no answer within a second
  std::uint64_t refused = 0;
  std::uint64_t strays = 0;  // datagrams that answered nothing
  std::uint64_t equal = 0;   // replies that had been there before
  // From when the question was due, not from when it was sent: a generator that falls behind does
  // not make its server look better. Seconds, sorted.
  std::vector<float> latencies;

  // Of an answered question, 0 to 1; 0 when there was none.
  double latency_at(double part) const;
};

// Begins the sessions, one after the other, and then asks. Throws Failure when there is no session
// to be had.
TrickleLoadResult run_trickle_load(peers::Endpoint endpoint, const TrickleLoad& load);

}  // namespace qanat::cli
