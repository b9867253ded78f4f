// Who is next: start-time fair queueing (Goyal, Vin, Cheng, 1996) over requests for bytes.
//
// Each flow (a client, an outlet) has a weight and requests in order. A request starts at the
// flow's last finish or at the virtual time, whichever is later, and finishes bytes / weight after;
// the smallest start is served next. Flows that always ask get bytes in proportion to their
// weights, one that asks for less than its share gets what it asks for, and one that was idle
// neither saves up nor owes: weighted max-min fairness.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

namespace qanat::share {

using FlowId = std::uint64_t;
using RequestId = std::uint64_t;

// Not thread-safe. No clock: virtual time is counted in bytes served. All operations are
// logarithmic in the number of flows that have requests.
class FairQueue {
 public:
  // `weight` > 0. An urgent request is served before all others, in order of arrival.
  RequestId add(FlowId flow, double weight, std::size_t bytes, bool urgent = false);
  // Takes a request out that was not served; false when it is not there.
  bool remove(RequestId id);

  struct Head {
    RequestId id;
    std::size_t bytes;
  };
  std::optional<Head> next() const;
  // The request that `next` names has got its bytes.
  void served();

  bool empty() const { return requests_.empty(); }
  std::size_t size() const { return requests_.size(); }
  // Sum of the bytes that requests wait for.
  std::size_t waiting_bytes() const { return waiting_bytes_; }

 private:
  struct Request {
    FlowId flow;
    std::size_t bytes;
    double weight;
    bool urgent;
  };
  struct Flow {
    double finish = 0;  // virtual, of the last request served or being served
    double start = 0;   // virtual, of the first in line
    std::deque<RequestId> line;
  };

  void enter(FlowId id, Flow& flow);
  void forget(RequestId id);

  std::unordered_map<RequestId, Request> requests_;
  std::unordered_map<FlowId, Flow> flows_;
  std::set<std::pair<double, FlowId>> order_;  // flows with a line, by start
  std::deque<RequestId> urgent_;
  double virtual_time_ = 0;
  RequestId last_id_ = 0;
  std::size_t waiting_bytes_ = 0;
};

}  // namespace qanat::share
