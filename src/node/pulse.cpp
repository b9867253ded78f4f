#include "node/pulse.h"

#include <boost/json.hpp>

#include "base/log.h"
#include "base/work_loop.h"
#include "observe/service_text.h"
#include "observe/status.h"

namespace qanat::node {

Pulse::Pulse(Pulsed node) : node_(std::move(node)) {
  turned_ = node_.clock.now().time_since_epoch().count();
}

void Pulse::start() {
  thread_ = std::thread([this] {
    run_work([this] { run(); },
             [this](const std::string& why) {
               node_.events.add("node", "looking each second: " + why, EventKind::warning);
             },
             [this](Duration gap) {
               wait_for(-1, 0, node_.live.wanted(), gap);
               return !stopping_;
             });
  });
}

void Pulse::stop() {
  stopping_ = true;
  node_.live.wanted().wake();
  if (thread_.joinable()) thread_.join();
}

void Pulse::run() {
  TimePoint next = node_.clock.now();
  while (!stopping_) {
    node_.live.wanted().clear();
    beat();
    // What takes longer is not made up for.
    const Duration gap = quiet_looks_ < looks_until_idle ? interval : idle_interval;
    next = std::max(next + gap, node_.clock.now());
    if (stopping_) return;
    // Who begins to watch is no reason for a second look within a second, but for one that idles.
    while (wait_for(-1, 0, node_.live.wanted(), next - node_.clock.now()) == Wake::woken) {
      if (stopping_) return;
      node_.live.wanted().clear();
      next = std::min(next, node_.clock.now() + interval);
    }
  }
}

void Pulse::beat() {
  const TimePoint began = node_.clock.now();
  const Duration planned = quiet_looks_ < looks_until_idle ? interval : idle_interval;
  turned_ = began.time_since_epoch().count();
  node_.threads.beat();
  const bool watched = node_.live.is_watched();
  observe::NodeReport report = node_.report(watched);
  quiet_looks_ = watched || note_activity(report) ? 0 : quiet_looks_ + 1;
  node_.recorder.record(report, report.now);
  for (const observe::Finding& finding : conditions_.look(report, planned)) {
    node_.events.add(finding.subject, finding.text, finding.kind);
  }
  wake_the_quiet(report);
  log_stat_lines(report);
  tell_service(report);
  if (watched) {
    node_.recorder.add_rates(report);
    node_.live.put(boost::json::serialize(observe::live_document(std::move(report))));
  }
  node_.live.bell().tell();
  log_sums();
}

// A device that gives nothing keeps its thread waiting, and that is no fault of the thread.
void Pulse::wake_the_quiet(const observe::NodeReport& report) {
  constexpr Duration quiet = std::chrono::seconds(45);
  if (report.now - woken_ < quiet) return;
  for (const observe::SourceReport& source : report.sources) {
    if (source.last_turn == TimePoint{} || report.now - source.last_turn < quiet) continue;
    woken_ = report.now;
    return node_.wake_sources();
  }
}

// Whether anything has happened since the last look.
bool Pulse::note_activity(const observe::NodeReport& report) {
  const share::DispenserReport& d = report.dispenser;
  const std::array<std::uint64_t, 4> now{d.total.credited,
                                         d.total.delivered + d.total.discarded + d.total.reseed,
                                         report.drbg.bytes, report.events_total};
  const bool busy =
      now != activity_ || d.waiting_requests > 0 || !report.ready || stat_interval_.load() != 0;
  activity_ = now;
  return busy;
}

void Pulse::log_stat_lines(const observe::NodeReport& report) {
  const Duration every(stat_interval_.load());
  if (every == Duration::zero()) return;
  if (stat_logged_ == TimePoint{}) stat_logged_ = report.now;
  if (report.now - stat_logged_ < every) return;
  // On time in the mean, though looks come when they come.
  stat_logged_ = std::max(stat_logged_ + every, report.now - every);
  for (const std::string& line : stat_lines_.lines(report)) log_line(LogLevel::info, line);
}

void Pulse::tell_service(const observe::NodeReport& report) {
  constexpr Duration least_gap = std::chrono::seconds(5);
  const bool news = told_.empty() || report.ready != told_ready_;
  if (!node_.tell_service || (!news && report.now - told_at_ < least_gap)) return;
  std::string text = observe::service_text(report);
  if (text == told_) return;
  node_.tell_service(text);
  told_ = std::move(text);
  told_ready_ = report.ready;
  told_at_ = report.now;
}

}  // namespace qanat::node
