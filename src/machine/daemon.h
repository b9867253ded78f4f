// Process set-up of a program that runs in the foreground: signals, limits.
#pragma once

#include <condition_variable>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"

namespace qanat::machine {

// Once, at the start of the program and before any thread: signals are blocked and waited for,
// SIGPIPE is ignored, no core dump may hold secrets, and as many descriptors are allowed as the
// system permits.
void prepare_process();

enum class Signal { stop, reload, now, child, none };

// Waits for SIGTERM or SIGINT (stop), SIGHUP (reload), SIGUSR1 (now), SIGCHLD (child), or `limit`
// (none; zero: for ever).
Signal wait_for_signal(Duration limit = Duration::zero());
// Makes who waits for signals see `now`. From any thread.
void nudge();

// The same signals, taken by a thread of its own: whatever is stuck when the end is asked for (a
// reload, a disk, an I/O thread), it comes in time. One of them, while it lives.
class Signals {
 public:
  // From a stop signal, or `end_soon`, to the end of the process by force.
  static constexpr Duration longest_end = std::chrono::milliseconds(4500);

  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // The next, or `none` once `limit` has passed. Several of one kind are one; an end comes first.
  Signal wait(Duration limit);
  // The process ends by itself; by force, it is with this exit code. (0 before this was called.)
  void end_soon(int code);

 private:
  void take();

  Mutex mutex_;
  std::condition_variable_any news_;
  bool stop_ GUARDED_BY(mutex_) = false;
  bool reload_ GUARDED_BY(mutex_) = false;
  bool now_ GUARDED_BY(mutex_) = false;
  bool child_ GUARDED_BY(mutex_) = false;
  bool over_ GUARDED_BY(mutex_) = false;
  int code_ GUARDED_BY(mutex_) = 0;
  std::optional<TimePoint> end_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace qanat::machine
