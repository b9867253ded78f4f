// The thread of a source that works: started, asked to stop, and waited for only so long.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/waker.h"
#include "base/work_loop.h"

namespace qanat::sources {

// Ends joined: an owner that cannot wait for a stuck one must be leaked (Node::stop).
class SourceThread {
 public:
  ~SourceThread() {
    if (thread_.joinable()) thread_.join();
  }

  // Runs `work`, which returns when `stopping`. When it ends by an exception instead, `failed` is
  // told: it sets the source's state, and is an event; and after a pause it begins again. `waker`
  // is the one that is woken with `request_stop`; it and the clock outlive the thread.
  void start(std::function<void()> work, std::function<void(const std::string& why)> failed,
             const Waker& waker, const Clock& clock) {
    // Again, when there was no thread to be had.
    if (thread_.joinable()) return;
    ended_promise_ = {};
    ended_ = ended_promise_.get_future();
    // Made here: on the thread there is nobody to hear that it has no memory.
    std::function<bool(Duration)> rest = [this, &waker, &clock](Duration gap) {
      pause(gap, waker, clock, [] { return false; });
      return !stopping();
    };
    thread_ = std::thread(
        [this, work = std::move(work), failed = std::move(failed), rest = std::move(rest)] {
          run_work(work, failed, rest);
          ended_promise_.set_value();
        });
  }
  // Any thread. `work` looks at `stopping`; what it sleeps in must be woken by the caller.
  void request_stop() { stopping_.store(true); }
  bool stopping() const { return stopping_.load(); }
  // Sleeps through the wakes of `waker`, which it clears, until `duration` has passed, `work`
  // should end, or `over()`.
  template <typename Over>
  void pause(Duration duration, const Waker& waker, const Clock& clock, const Over& over) const {
    const TimePoint end = clock.now() + duration;
    while (!stopping() && !over()) {
      const Duration left = end - clock.now();
      if (left <= Duration::zero() || wait_for(-1, 0, waker, left) == Wake::timeout) return;
      if (!stopping()) waker.clear();
    }
  }
  // `work` is at it, at this time; or it sleeps in what a waker ends.
  void turn(TimePoint now) {
    turned_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    resting_.store(false, std::memory_order_relaxed);
  }
  void rest() { resting_.store(true, std::memory_order_relaxed); }
  // When it was last seen to go on. Any thread.
  TimePoint last_turn(TimePoint now) const {
    if (resting_.load(std::memory_order_relaxed)) return now;
    return TimePoint(Duration(turned_.load(std::memory_order_relaxed)));
  }
  // False when it has not ended within `limit`.
  bool join(Duration limit) {
    if (!thread_.joinable()) return true;
    if (ended_.wait_for(limit) != std::future_status::ready) return false;
    thread_.join();
    return true;
  }

 private:
  std::atomic<bool> stopping_{false};
  std::atomic<bool> resting_{true};
  std::atomic<Duration::rep> turned_{0};
  std::promise<void> ended_promise_;
  std::future<void> ended_;
  std::thread thread_;
};

}  // namespace qanat::sources
