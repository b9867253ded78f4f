// Which promises are made and kept: admission and suspension.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "share/fair_queue.h"

namespace qanat::share {

// Promises stand in the order in which they were made. One that is made to a running node must fit:
// all of them together, kept or not, stay below nine tenths of the proved supply. When the supply
// falls below what is promised, the newest are suspended until the rest fits; they come back, the
// oldest first, once nine tenths of the supply have sufficed for ten seconds. The tenth between the
// two and those ten seconds are why nothing flaps.
//
// Not thread-safe; reads no clock.
class Guarantees {
 public:
  static constexpr double part_promised = 0.9;
  static constexpr Duration restore_after = std::chrono::seconds(10);

  // Bytes per second that could still be promised.
  double left(double proved) const;
  // Rate > 0. It waits, suspended, until `review` finds that it fits: at a start the sources have
  // proved nothing yet.
  void add(FlowId flow, double rate);
  void remove(FlowId flow);

  struct Change {
    FlowId flow;
    bool kept;   // else suspended
    bool first;  // kept for the first time: no news
  };
  // What the supply of this moment changes, in order. Without memory to say it nothing is changed.
  std::vector<Change> review(double proved, TimePoint now);

  bool empty() const { return promises_.empty(); }
  std::size_t size() const { return promises_.size(); }
  // Bytes per second, of those that are kept.
  double kept() const { return kept_; }
  std::size_t suspended() const {
    return static_cast<std::size_t>(std::count_if(promises_.begin(), promises_.end(),
                                                  [](const Promise& each) { return !each.kept; }));
  }
  // Of all.
  double promised() const { return promised_; }

 private:
  struct Promise {
    FlowId flow;
    double rate;
    bool kept = false;
    bool ever_kept = false;
  };
  std::vector<Promise> promises_;  // oldest first; the kept ones are at the front
  double kept_ = 0;
  double promised_ = 0;
  std::optional<TimePoint> enough_since_;  // for the oldest that is suspended
};

}  // namespace qanat::share
