// The last events, for the log and the status. Thread-safe.
#pragma once

#include <deque>

#include "base/mutex.h"
#include "observe/snapshot.h"

namespace qanat::observe {

class Events {
 public:
  static constexpr std::size_t kept = 100;

  // Also writes a log line: a warning for an alarm.
  void add(const std::string& subject, const std::string& text, bool alarm, Audience audience = {});
  std::vector<Event> recent() const;
  std::uint64_t total() const;

 private:
  mutable Mutex mutex_;
  std::deque<Event> events_ GUARDED_BY(mutex_);
  std::uint64_t total_ GUARDED_BY(mutex_) = 0;
};

}  // namespace qanat::observe
