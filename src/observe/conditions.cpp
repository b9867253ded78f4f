#include "observe/conditions.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <algorithm>

#include "base/quantity.h"

namespace qanat::observe {

std::vector<Finding> Conditions::look(const NodeReport& report, Duration planned) {
  std::vector<Finding> found;
  look_at_clock(report, found);
  look_at_threads(report, planned, found);
  look_at_reserve(report, found);
  look_at_readiness(report, found);
  last_look_ = report.now;
  last_time_ms_ = report.time_ms;
  return found;
}

void Conditions::look_at_clock(const NodeReport& report, std::vector<Finding>& found) {
  if (report.time_ms < least_time_ms && !told_time_) {
    told_time_ = true;
    found.push_back({"clock",
                     fmt::format("this machine's clock says {:%Y-%m-%d}, which cannot be; "
                                 "certificates are judged by it: set it, or let NTP do so",
                                 fmt::gmtime(static_cast<std::time_t>(report.time_ms / 1000))),
                     EventKind::clock_off});
  }
  if (!last_look_) return;
  const auto wall = std::chrono::milliseconds(report.time_ms - last_time_ms_);
  const Duration jump = wall - (report.now - *last_look_);
  if (jump < clock_jump && jump > -clock_jump) return;
  found.push_back({"clock",
                   fmt::format("this machine's clock was set {} by {}",
                               jump > Duration::zero() ? "forward" : "back",
                               format_duration(jump > Duration::zero() ? jump : -jump)),
                   EventKind::clock_off});
}

void Conditions::look_at_threads(const NodeReport& report, Duration planned,
                                 std::vector<Finding>& found) {
  if (last_look_ && report.now - *last_look_ >= planned + late_look) {
    // All of them are late then, and that is no fault of theirs.
    found.push_back({"process",
                     fmt::format("the whole process stood still for {}: it was stopped, or the "
                                 "machine was",
                                 format_duration(report.now - *last_look_)),
                     EventKind::thread_stuck});
    return;
  }
  std::vector<std::string> stuck;
  for (const ThreadReport& thread : report.threads) {
    if (!thread.stuck) continue;
    stuck.push_back(thread.name);
    if (std::find(stuck_.begin(), stuck_.end(), thread.name) != stuck_.end()) continue;
    found.push_back({thread.name,
                     fmt::format("the thread has stood still for {}",
                                 format_duration(report.now - thread.last_turn)),
                     EventKind::thread_stuck});
  }
  for (const std::string& name : stuck_) {
    if (std::find(stuck.begin(), stuck.end(), name) != stuck.end()) continue;
    found.push_back({name, "the thread goes on", EventKind::thread_back});
  }
  stuck_ = std::move(stuck);
}

void Conditions::look_at_reserve(const NodeReport& report, std::vector<Finding>& found) {
  const share::DispenserReport& d = report.dispenser;
  if (d.target == 0) return;
  const bool empty = d.fill == 0 && d.waiting_requests > 0;
  const bool filled = d.fill >= d.target / refilled_part || d.waiting_requests == 0;
  if (!empty) empty_since_.reset();
  if (!filled) filled_since_.reset();
  if (empty && !empty_since_) empty_since_ = report.now;
  if (filled && !filled_since_) filled_since_ = report.now;
  if (empty && !told_empty_ && report.now - *empty_since_ >= empty_for) {
    told_empty_ = true;
    found.push_back(
        {"reserve",
         fmt::format("the reserve is empty: {} request{} for {}, and the sources prove {}",
                     d.waiting_requests, d.waiting_requests == 1 ? " waits" : "s wait",
                     format_size(static_cast<double>(d.waiting_bytes)), format_rate(d.supply)),
         EventKind::reserve_empty});
  }
  if (filled && told_empty_ && report.now - *filled_since_ >= empty_for) {
    told_empty_ = false;
    found.push_back(
        {"reserve",
         fmt::format("the reserve holds {} again", format_size(static_cast<double>(d.fill))),
         EventKind::reserve_back});
  }
}

void Conditions::look_at_readiness(const NodeReport& report, std::vector<Finding>& found) {
  if (report.ready) {
    unready_since_.reset();
    was_ready_ = true;
    if (std::exchange(told_unready_, false)) {
      found.push_back({"node", "ready", EventKind::ready});
    }
    return;
  }
  if (!unready_since_) unready_since_ = report.now;
  const Duration patience = was_ready_ ? empty_for : seed_patience;
  if (told_unready_ || report.now - *unready_since_ < patience) return;
  told_unready_ = true;
  found.push_back({"node",
                   report.role == "feed" ? "not ready: this machine has not been fed yet"
                                         : "not ready: the DRBG has no seed",
                   EventKind::not_ready});
}

}  // namespace qanat::observe
