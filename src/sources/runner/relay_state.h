// What a source that relays says of itself: its state, and counters that every such source has.
#pragma once

#include <cstdint>
#include <string>

#include "base/mutex.h"
#include "entropy/source_health.h"
#include "observe/reports.h"
#include "sources/runner/running_source.h"

namespace qanat::sources {

// Any thread. `services` outlive it.
class RelayState {
 public:
  RelayState(std::string name, entropy::SourceId account, const SourceServices& services);

  // A change is an event, and an alarm unless it is for the better; and while it is not healthy,
  // the supply does not count on it. `hopeless`: no later try will do better.
  void set(entropy::SourceState state, const std::string& detail = {}, bool hopeless = false);
  entropy::SourceState state() const;

  void count_bytes(std::size_t bytes);
  void count_alarm();
  // Bytes that were asked for before a renewal.
  void count_outdated(std::size_t bytes);

  // Name, state and counters; the rest is the source's.
  observe::SourceReport report() const;

 private:
  EventKind kind_locked(entropy::SourceState state, const std::string& detail) REQUIRES(mutex_);

  const std::string name_;
  const entropy::SourceId account_;
  const SourceServices& services_;
  mutable Mutex mutex_;
  entropy::SourceState state_ GUARDED_BY(mutex_) = entropy::SourceState::start_up;
  std::string detail_ GUARDED_BY(mutex_);
  bool hopeless_ GUARDED_BY(mutex_) = false;
  bool was_lost_ GUARDED_BY(mutex_) = false;  // failed or gone, and not healthy since
  std::uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t alarms_ GUARDED_BY(mutex_) = 0;
  std::uint64_t failures_ GUARDED_BY(mutex_) = 0;
  std::uint64_t outdated_ GUARDED_BY(mutex_) = 0;
};

}  // namespace qanat::sources
