// What a node did over the last day, for graphs: samples a second, at fixed cost.
#pragma once

#include <array>
#include <boost/json/value.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace qanat::observe {

// What a line of a graph shows. docs/http-api.md has their units.
enum class Line : std::uint8_t {
  reserve,
  waiting,
  credited,
  delivered,
  reseed,
  discarded,
  drbg,
  source_rate,
  source_credited,
  source_estimate,
  source_state,
  outlet_full,
  outlet_drbg,
};
std::string_view to_string(Line line);
// "bytes", "bytes/s", "bits" (per byte) or "state".
std::string_view unit_of(Line line);
bool is_of_source(Line line);
bool is_of_outlet(Line line);

// Not thread-safe. Time is a steady clock's: whatever happens to the clock on the wall, samples
// keep their order and their distance.
class History {
 public:
  // Of each step so many samples are kept: ten minutes by the second, two hours by ten, a day by
  // the minute.
  struct Tier {
    std::uint32_t step = 0;  // seconds
    std::uint32_t count = 0;
  };
  static constexpr std::array<Tier, 3> tiers{{{1, 600}, {10, 720}, {60, 1440}}};
  // 11 KB each: 11.3 MB in all, of the 16 MB that a day may cost. A node of 7 lines of its own has
  // room for 254 sources or 508 outlets; what comes when it is full is left out, and counted.
  static constexpr std::size_t most_lines = 1024;

  using Name = std::pair<Line, std::string>;  // what, and of which source or outlet
  using Sample = std::map<Name, double>;

  // What was seen at `now`; at most one a second is taken. Seconds without a sample are unknown.
  void add(const Sample& sample, TimePoint now);

  // One tier as it is at `now`, the oldest first: a copy, so that whoever guards this with a lock
  // makes a document of it without. `shown`: whether the viewer may see the line. `wall_ms`: the
  // clock on the wall at `now`.
  struct Copy {
    Tier tier;
    std::int64_t end_ms = 0;  // of the newest sample, since 1970
    std::size_t left_out = 0;
    std::vector<std::pair<Name, std::vector<float>>> lines;  // NaN where unknown
  };
  Copy copy(std::size_t tier, TimePoint now, std::int64_t wall_ms,
            const std::function<bool(const Name&)>& shown) const;
  // For tests: the samples of one line in one tier, oldest first; NaN where unknown.
  std::vector<float> values(std::size_t tier, const Name& name) const;
  std::size_t left_out() const { return left_out_; }
  std::size_t lines() const { return lines_.size(); }

 private:
  // A ring of a tier: the sample of step number n lies at n modulo its count.
  struct Series {
    std::array<std::vector<float>, tiers.size()> rings;
    // Of the step under way, in the coarser tiers.
    struct Sum {
      double sum = 0;
      std::uint32_t count = 0;
    };
    std::array<Sum, tiers.size()> under_way;
    std::int64_t last = 0;  // second of its last sample
  };

  Series make_series() const;
  void advance(std::int64_t second);
  std::vector<float> in_order(std::size_t tier, const Series& series) const;

  std::map<Name, Series> lines_;
  std::optional<TimePoint> origin_;
  std::int64_t second_ = -1;  // of the last sample, since the origin
  std::size_t left_out_ = 0;
};

// As docs/http-api.md has it.
boost::json::value history_document(const History::Copy& history);

}  // namespace qanat::observe
