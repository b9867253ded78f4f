// What nobody reports, and whoever looks each second sees: an empty reserve, a node that is not
// ready, a thread that stands still, a clock that is off.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "observe/node_report.h"

namespace qanat::observe {

struct Finding {
  std::string subject;
  std::string text;
  EventKind kind = EventKind::warning;
};

// Not thread-safe. Each trouble is told when it begins and when it ends, and only once it has
// lasted: a burst empties a reserve for a moment, and that is what it is for.
class Conditions {
 public:
  static constexpr Duration empty_for = std::chrono::seconds(5);
  // Refilled to this part of its target, or nobody waits, for as long.
  static constexpr std::size_t refilled_part = 8;
  // After a start the first seed takes some seconds, of a slow device half a minute.
  static constexpr Duration seed_patience = std::chrono::seconds(60);
  // The clock on the wall against the steady one, between two looks: NTP slews, and people and
  // resumes jump.
  static constexpr Duration clock_jump = std::chrono::seconds(10);
  // Whoever looks so much later than planned was stopped.
  static constexpr Duration late_look = std::chrono::seconds(4);
  // 2026-01-01: nobody's clock is right before this was written.
  static constexpr std::int64_t least_time_ms = 1767225600000;

  // `planned`: how long after the look before.
  std::vector<Finding> look(const NodeReport& report, Duration planned = std::chrono::seconds(1));

 private:
  void look_at_reserve(const NodeReport& report, std::vector<Finding>& found);
  void look_at_readiness(const NodeReport& report, std::vector<Finding>& found);
  void look_at_clock(const NodeReport& report, std::vector<Finding>& found);
  void look_at_threads(const NodeReport& report, Duration planned, std::vector<Finding>& found);

  std::optional<TimePoint> last_look_;
  std::int64_t last_time_ms_ = 0;
  bool told_time_ = false;
  std::optional<TimePoint> empty_since_;
  std::optional<TimePoint> filled_since_;
  bool told_empty_ = false;
  bool was_ready_ = false;
  std::optional<TimePoint> unready_since_;
  bool told_unready_ = false;
  std::vector<std::string> stuck_;
};

}  // namespace qanat::observe
