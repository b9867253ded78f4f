// Rates of the moment, and the history: what is made of a node's counters by looking at them each
// second.
#pragma once

#include <array>
#include <map>
#include <string>

#include "base/mutex.h"
#include "observe/history.h"
#include "observe/node_report.h"

namespace qanat::observe {

// How fast a counter has grown over the last few seconds.
class Meter {
 public:
  static constexpr std::size_t seconds_back = 5;

  void add(std::uint64_t value, TimePoint now);
  // A second; 0 until there have been two looks, and where the counter has begun anew.
  double rate() const { return rate_between(seen_ - std::min(seen_ - 1, seconds_back)); }
  // The same since the look before the last.
  double last_rate() const { return rate_between(seen_ - 1); }

 private:
  struct Look {
    std::uint64_t value = 0;
    TimePoint at{};
  };
  double rate_between(std::size_t first) const;

  std::array<Look, seconds_back + 1> looks_{};
  std::size_t seen_ = 0;
};

// Thread-safe.
class Recorder {
 public:
  // Once a second. What is not in a report any more is forgotten.
  void record(const NodeReport& report, TimePoint now);
  // Puts rates where they belong in a report of the moment.
  void add_rates(NodeReport& report) const;
  // The tier of the history whose span is named, "10m", "2h" or "24h".
  static std::optional<std::size_t> tier_of(std::string_view span);
  // The document of `tier`; of what `report`, which was made for a viewer, has.
  std::string history(std::size_t tier, const NodeReport& report, TimePoint now) const;

 private:
  using Name = History::Name;

  mutable Mutex mutex_;
  std::map<Name, Meter> meters_ GUARDED_BY(mutex_);
  History history_ GUARDED_BY(mutex_);
  TimePoint recorded_ GUARDED_BY(mutex_){};
};

}  // namespace qanat::observe
