#include "share/guarantees.h"

#include <algorithm>

namespace qanat::share {

double Guarantees::left(double proved) const {
  return std::max(0.0, part_promised * proved - promised_);
}

void Guarantees::add(FlowId flow, double rate) {
  promises_.push_back({flow, rate});
  promised_ += rate;
}

void Guarantees::remove(FlowId flow) {
  const auto found = std::find_if(promises_.begin(), promises_.end(),
                                  [&](const Promise& promise) { return promise.flow == flow; });
  if (found == promises_.end()) return;
  promises_.erase(found);
  // Summed anew: no rounding error outlives a promise.
  kept_ = 0;
  promised_ = 0;
  for (const Promise& promise : promises_) {
    promised_ += promise.rate;
    if (promise.kept) kept_ += promise.rate;
  }
}

std::vector<Guarantees::Change> Guarantees::review(double proved, TimePoint now) {
  std::vector<Change> changes;
  changes.reserve(promises_.size());
  const auto first_suspended = [this] {
    return std::find_if(promises_.begin(), promises_.end(),
                        [](const Promise& promise) { return !promise.kept; });
  };
  auto at = first_suspended();
  while (at != promises_.begin() && kept_ > proved) {
    --at;
    at->kept = false;
    kept_ -= at->rate;
    enough_since_.reset();
    changes.push_back({at->flow, false, false});
  }
  if (!changes.empty()) return changes;
  while (at != promises_.end() && kept_ + at->rate <= part_promised * proved) {
    if (at->ever_kept) {
      if (!enough_since_ || now < *enough_since_) enough_since_ = now;
      if (now - *enough_since_ < restore_after) return changes;
    }
    at->kept = true;
    kept_ += at->rate;
    changes.push_back({at->flow, true, !at->ever_kept});
    at->ever_kept = true;
    ++at;
  }
  if (at != promises_.end()) enough_since_.reset();
  return changes;
}

}  // namespace qanat::share
