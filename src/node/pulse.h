// Once a second: the history, what nobody else notices, and the picture for those who look on. A
// node where nothing happens, and nobody looks, is left to sleep for five.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "base/waker.h"
#include "net/io_threads.h"
#include "observe/conditions.h"
#include "observe/events.h"
#include "observe/live.h"
#include "observe/recorder.h"
#include "observe/stat_line.h"

namespace qanat::node {

// What it works on; all outlive it.
struct Pulsed {
  // A report of all, with its clients or without.
  std::function<observe::NodeReport(bool clients)> report;
  // Those that wait for a device turn then; one that does not is stuck.
  std::function<void()> wake_sources;
  observe::Recorder& recorder;
  observe::Events& events;
  observe::LiveStatus& live;
  net::IoThreads& threads;
  const Clock& clock;
  // Told in a line how it is, when that has changed: at once that it is ready, or no longer, else
  // every few seconds at most. May be empty.
  std::function<void(const std::string& text)> tell_service;
};

// On a thread of its own, which takes no lock for longer than a scrape does.
class Pulse {
 public:
  static constexpr Duration interval = std::chrono::seconds(1);
  static constexpr Duration idle_interval = std::chrono::seconds(5);
  // After so many looks that saw nothing happen.
  static constexpr unsigned looks_until_idle = 2;

  explicit Pulse(Pulsed node);
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;
  ~Pulse() { stop(); }

  void start();
  void stop();
  // How often the STAT lines are logged; zero: never. Any thread.
  void set_stat_interval(Duration every) { stat_interval_.store(every.count()); }
  // Any thread.
  TimePoint last_turn() const { return TimePoint(Duration(turned_.load())); }

 private:
  void run();
  void beat();
  void wake_the_quiet(const observe::NodeReport& report);
  bool note_activity(const observe::NodeReport& report);
  void log_stat_lines(const observe::NodeReport& report);
  void tell_service(const observe::NodeReport& report);

  const Pulsed node_;
  observe::Conditions conditions_;
  observe::StatLines stat_lines_;
  TimePoint stat_logged_{};
  std::atomic<Duration::rep> stat_interval_{0};
  std::atomic<Duration::rep> turned_{0};
  std::atomic<bool> stopping_{false};
  // What moves while something happens; looks since it did.
  std::array<std::uint64_t, 4> activity_{};
  unsigned quiet_looks_ = 0;
  TimePoint woken_{};  // the sources, last
  std::string told_;   // the service's line
  bool told_ready_ = false;
  TimePoint told_at_{};
  std::thread thread_;
};

}  // namespace qanat::node
