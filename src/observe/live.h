// What /v1/events serves to those who follow a node.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "base/listeners.h"
#include "base/mutex.h"
#include "base/waker.h"

namespace qanat::observe {

// The newest status, made once for all who may see all of it. Thread-safe.
class LiveStatus {
 public:
  using Frame = std::shared_ptr<const std::string>;

  // Who wants frames, for as long as it does: without any, none is made.
  class Watcher {
   public:
    explicit Watcher(LiveStatus& live) : live_(live) {
      ++live_.watchers_;
      live_.wanted_.wake();
    }
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;
    ~Watcher() { --live_.watchers_; }

   private:
    LiveStatus& live_;
  };

  bool is_watched() const { return watchers_.load() > 0; }
  // Woken by each that begins to watch: whoever makes frames may be asleep.
  const Waker& wanted() const { return wanted_; }
  // A line of JSON; null before the first.
  Frame frame() const {
    const MutexLock lock(mutex_);
    return frame_;
  }
  void put(std::string text) {
    auto made = std::make_shared<const std::string>(std::move(text));
    const MutexLock lock(mutex_);
    frame_ = std::move(made);
  }
  // Rung after each second, and by each event: followers look whether there is something for them.
  Listeners<>& bell() { return bell_; }

 private:
  const Waker wanted_;
  std::atomic<std::size_t> watchers_{0};
  mutable Mutex mutex_;
  Frame frame_ GUARDED_BY(mutex_);
  Listeners<> bell_;
};

}  // namespace qanat::observe
