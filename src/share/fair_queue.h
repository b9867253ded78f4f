// Who gets the next bytes: guarantees first, then weighted fair shares of what they leave.
//
// Bytes are granted in slices to the first request of a flow (a client, an outlet):
// 1. Urgent requests (seeds of DRBGs), in order of arrival.
// 2. Flows with a guarantee that have tokens: a token bucket of their rate and burst, kept as the
//    one time at which it will be full (GCRA, ITU-T I.371), earliest first.
// 3. All that wait, by start-time fair queueing (Goyal, Vin, Cheng, 1996): a slice starts at the
//    flow's last finish or at the virtual time, whichever is later, and finishes bytes / weight
//    after; the smallest start is next. Flows that always ask get bytes in proportion to their
//    weights, one that asks for less than its share gets what it asks for, and one that was idle
//    neither saves up nor owes: weighted max-min fairness.
//    A flow with one request in line is out of it between two of them. When it returns within two
//    seconds it keeps its place: its slice starts at its last finish, though the virtual time has
//    gone on, by up to eight slices. So it catches up with one that has fifty requests in line,
//    and can save up no more than that.
// What a guarantee grants is not charged to the flow's fair share, nor the other way round.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "share/indexed_heap.h"

namespace qanat::share {

using FlowId = std::uint32_t;
using RequestId = std::uint64_t;

// How long `bytes` take at `rate` bytes per second; a rate of 0 never brings them.
Duration time_for(double bytes, double rate);

// Not thread-safe; reads no clock: times come in, and must not go back. A grant is logarithmic in
// the number of flows that wait. Only `open` and `add` allocate: when they cannot, they throw and
// change nothing; whatever ends or serves a request cannot fail.
class FairQueue {
 public:
  // Requests that have a part of their bytes hold at most `partial_limit` bytes together; beyond
  // it one is served to its end before the others, so that no reserve is full of parts.
  explicit FairQueue(std::size_t partial_limit) : partial_limit_(partial_limit) {}

  // `weight` > 0.
  FlowId open(double weight);
  // Its number may be given to another as soon as its line is empty.
  void close(FlowId flow);
  void set_weight(FlowId flow, double weight);
  // Bytes per second, and bytes at once; rate 0 ends a guarantee.
  void guarantee(FlowId flow, double rate, double burst, TimePoint now);

  // `bytes` > 0.
  RequestId add(FlowId flow, std::size_t bytes, TimePoint now, bool urgent = false);
  // Takes out a request that is not complete; how many bytes it had been granted. nullopt when it
  // is not there.
  std::optional<std::size_t> remove(RequestId id);

  struct Grant {
    RequestId id;
    std::size_t bytes;  // of this grant
    bool complete;      // the request has all it asked for, and has left the queue
  };
  // Grants some of `available` bytes, as a rule at most `slice`, to whom it is due; nullopt when
  // nobody waits or nothing is available.
  std::optional<Grant> grant(std::size_t available, std::size_t slice, TimePoint now);

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  // Bytes that requests still wait for.
  std::size_t waiting_bytes() const { return waiting_bytes_; }
  // Bytes that incomplete requests have.
  std::size_t partial_bytes() const { return partial_bytes_; }
  // Sum of the weights of the flows that wait.
  double waiting_weight() const { return waiting_weight_; }
  // Sum of the guaranteed rates of the flows that wait.
  double waiting_guarantees() const { return waiting_guarantees_; }

  struct FlowView {
    double weight = 1;
    double rate = 0;                  // guaranteed
    std::size_t requests = 0;         // that wait
    std::size_t bytes = 0;            // that they still wait for
    std::uint64_t granted_bytes = 0;  // ever
  };
  FlowView view(FlowId flow) const;

 private:
  using Slot = std::uint32_t;
  static constexpr Slot none = ~Slot{0};
  // What a flow must have in its bucket to be served by its guarantee, unless it wants less.
  static constexpr std::size_t least_tokens = 32;
  // For how long the place of a flow is kept that has left the line, and how far it may lie back:
  // longer than a round trip, and so little that who waits is not held up for long by many who
  // return at once.
  static constexpr Duration place_kept = std::chrono::seconds(2);
  static constexpr double most_slices_back = 8;

  struct Request {
    std::uint32_t generation = 0;  // tells a number that is used again
    FlowId flow = 0;
    Slot before = none;  // in the flow's line
    Slot after = none;
    std::size_t wanted = 0;
    std::size_t granted = 0;
    bool urgent = false;
    bool present = false;
  };
  struct Flow {
    double weight = 1;
    double start = 0;  // virtual: of its next slice, and so the finish of its last
    double rate = 0;
    double burst = 0;
    TimePoint full_at{};            // when the bucket will be full
    std::optional<TimePoint> left;  // the line, last
    Slot first = none;
    Slot last = none;
    std::size_t requests = 0;
    std::size_t bytes = 0;
    std::uint64_t granted_bytes = 0;
    bool open = false;
  };

  RequestId id_of(Slot slot) const;
  Slot find(RequestId id) const;
  double tokens(const Flow& flow, TimePoint now) const;
  void enter(FlowId id);
  void leave(FlowId id);
  void set_due(FlowId id);
  void unlink(Slot slot);
  void release(Slot slot);
  Grant give(Slot slot, std::size_t bytes);

  const std::size_t partial_limit_;
  std::vector<Request> requests_;
  std::vector<Slot> free_requests_;
  std::vector<Flow> flows_;
  std::vector<FlowId> free_flows_;
  IndexedHeap<double> order_;   // flows with a line, by the start of their next slice
  IndexedHeap<TimePoint> due_;  // those with a guarantee, by when it can serve them
  std::deque<Slot> urgent_;
  Slot focus_ = none;  // served to its end
  // Bytes a unit of weight since the beginning. It never goes back; in ten years at 10 MB/s it is
  // still exact to a byte.
  double virtual_time_ = 0;
  double last_finish_ = 0;            // the latest of all flows
  TimePoint now_{};                   // that came last
  std::size_t slice_ = least_tokens;  // likewise
  std::size_t size_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::size_t partial_bytes_ = 0;
  double waiting_weight_ = 0;
  double waiting_guarantees_ = 0;
};

}  // namespace qanat::share
