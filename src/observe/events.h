// The last events, for the log, the status and whoever follows them. Thread-safe.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/line_limiter.h"
#include "base/listeners.h"
#include "base/mutex.h"
#include "observe/node_report.h"

namespace qanat::observe {

// Where a follower has got to: which run of the node, and its last event there.
struct EventId {
  std::uint64_t run = 0;
  std::uint64_t number = 0;

  // "18bd0c5f3a2-17"
  std::string text() const;
  static std::optional<EventId> parse(std::string_view text);
  bool operator==(const EventId&) const = default;
};

class Events {
 public:
  // `run`: another for each run of the node, such as the time of its start.
  explicit Events(std::uint64_t run = 0) : run_(run) {}
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  // Of them a follower who was away hears (Last-Event-ID). When there are more, the subject with
  // the most of them loses its oldest.
  static constexpr std::size_t kept = 400;
  // Of them the status document has the last.
  static constexpr std::size_t in_status = 100;

  // Of one subject in a minute; what a peer causes more often is told as a sum, with its last text.
  static constexpr std::size_t at_once = 20;

  ~Events();  // tells the sums that are left

  // What an operator did: each is kept.
  void record(const std::string& subject, const std::string& text) {
    keep(subject, text, EventKind::note);
  }
  // Also writes a log line: a warning for an alarm. One that there is no memory for is counted.
  void add(const std::string& subject, const std::string& text, EventKind kind,
           Audience audience = {}, TimePoint now = Clock().now());
  // `now`: when sums are due that no later event has brought. The oldest first.
  std::vector<Event> recent(TimePoint now = Clock().now(), std::size_t most = in_status) const;
  // Those after `last` that are still kept; all of them where it is of another run.
  std::vector<Event> since(const EventId& last) const;
  EventId last() const;
  std::uint64_t total() const;
  // By kind, those in sums too.
  std::map<EventKind, std::uint64_t> counts() const;

  // Who hears of each event as it is kept.
  Listeners<Event>& listeners() { return listeners_; }
  // Who hears of each as it happens, also of those that are only told in sums, which have no id:
  // whoever acts on the state that they tell of must not miss the last.
  Listeners<Event>& happenings() { return happenings_; }

 private:
  void tell_sums(TimePoint now) const;
  Event keep(const std::string& subject, const std::string& text, EventKind kind,
             Audience audience = {}) const;

  const std::uint64_t run_;
  const TimePoint began_ = Clock().now();
  mutable Mutex mutex_;
  mutable LineLimiter notices_{at_once};
  mutable LineLimiter alarms_{at_once};
  mutable std::deque<Event> events_ GUARDED_BY(mutex_);
  mutable std::uint64_t total_ GUARDED_BY(mutex_) = 0;  // with those in sums
  mutable std::uint64_t last_ GUARDED_BY(mutex_) = 0;   // number of the last that was kept
  mutable std::array<std::uint64_t, event_kind_names.size()> counts_ GUARDED_BY(mutex_){};
  Listeners<Event> listeners_;
  Listeners<Event> happenings_;
};

}  // namespace qanat::observe
