#include "node/pulse.h"

#include <boost/json.hpp>

#include "base/log.h"
#include "base/work_loop.h"
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
             [this](Duration gap) { return wait_for(-1, 0, stop_, gap) == Wake::timeout; });
  });
}

void Pulse::stop() {
  stop_.wake();
  if (thread_.joinable()) thread_.join();
}

void Pulse::run() {
  TimePoint next = node_.clock.now();
  for (;;) {
    beat();
    // What takes longer is not made up for.
    next = std::max(next + interval, node_.clock.now());
    if (wait_for(-1, 0, stop_, next - node_.clock.now()) == Wake::woken) return;
  }
}

void Pulse::beat() {
  turned_ = node_.clock.now().time_since_epoch().count();
  node_.threads.beat();
  const bool watched = node_.live.is_watched();
  observe::NodeReport report = node_.report(watched);
  node_.recorder.record(report, report.now);
  for (const observe::Finding& finding : conditions_.look(report)) {
    node_.events.add(finding.subject, finding.text, finding.kind, {.everybody = false});
  }
  log_stat_lines(report);
  if (watched) {
    node_.recorder.add_rates(report);
    node_.live.put(boost::json::serialize(observe::live_document(std::move(report))));
  }
  node_.live.bell().tell();
  log_sums();
}

void Pulse::log_stat_lines(const observe::NodeReport& report) {
  const Duration every(stat_interval_.load());
  if (every == Duration::zero()) return;
  if (stat_logged_ == TimePoint{}) stat_logged_ = report.now;
  if (report.now - stat_logged_ < every) return;
  stat_logged_ = report.now;
  for (const std::string& line : stat_lines_.lines(report)) log_line(LogLevel::info, line);
}

}  // namespace qanat::node
