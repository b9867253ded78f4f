// Who wants to hear of something, at once.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <utility>

#include "base/mutex.h"

namespace qanat {

// Thread-safe. Outlives its subscriptions.
template <typename... Args>
class Listeners {
 public:
  // Called by whoever tells, on any thread. It must not block, throw, or begin or end a
  // subscription.
  using Listener = std::function<void(const Args&...)>;

  // Once it has ended, its listener is not called any more, and no call is under way.
  class Subscription {
   public:
    Subscription(Listeners& all, typename std::list<Listener>::iterator place)
        : all_(all), place_(place) {}
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription() {
      const MutexLock lock(all_.mutex_);
      all_.listeners_.erase(place_);
    }

   private:
    Listeners& all_;
    const typename std::list<Listener>::iterator place_;
  };

  [[nodiscard]] std::unique_ptr<Subscription> add(Listener listener) {
    std::list<Listener> made;
    made.push_back(std::move(listener));
    auto subscription = std::make_unique<Subscription>(*this, made.begin());
    const MutexLock lock(mutex_);
    listeners_.splice(listeners_.end(), made);
    return subscription;
  }
  void tell(const Args&... args) const {
    const MutexLock lock(mutex_);
    for (const Listener& listener : listeners_) listener(args...);
  }

 private:
  mutable Mutex mutex_;
  std::list<Listener> listeners_ GUARDED_BY(mutex_);
};

}  // namespace qanat
