// The last events, for the log and the status. Thread-safe.
#pragma once

#include <deque>

#include "base/clock.h"
#include "base/line_limiter.h"
#include "base/mutex.h"
#include "observe/node_report.h"

namespace qanat::observe {

class Events {
 public:
  Events() = default;
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  // When there are more, the subject with the most of them loses its oldest.
  static constexpr std::size_t kept = 100;

  // Of one subject in a minute; what a peer causes more often is told as a sum, with its last text.
  static constexpr std::size_t at_once = 20;

  ~Events();  // tells the sums that are left

  // What an operator did: each is kept.
  void record(const std::string& subject, const std::string& text) { keep(subject, text, false); }
  // Also writes a log line: a warning for an alarm. One that there is no memory for is counted.
  void add(const std::string& subject, const std::string& text, bool alarm, Audience audience = {},
           TimePoint now = Clock().now());
  // `now`: when sums are due that no later event has brought.
  std::vector<Event> recent(TimePoint now = Clock().now()) const;
  std::uint64_t total() const;

 private:
  void tell_sums(TimePoint now) const;
  void keep(const std::string& subject, const std::string& text, bool alarm,
            Audience audience = {}) const;

  mutable Mutex mutex_;
  mutable LineLimiter notices_{at_once};
  mutable LineLimiter alarms_{at_once};
  mutable std::deque<Event> events_ GUARDED_BY(mutex_);
  mutable std::uint64_t total_ GUARDED_BY(mutex_) = 0;  // with those in sums
};

}  // namespace qanat::observe
