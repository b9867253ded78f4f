#include "observe/events.h"

#include <ctime>
#include <utility>

#include "base/log.h"

namespace qanat::observe {

void Events::add(const std::string& subject, const std::string& text, bool alarm,
                 Audience audience) {
  if (alarm) {
    log_warning("{}: {}", subject, text);
  } else {
    log_info("{}: {}", subject, text);
  }
  const MutexLock lock(mutex_);
  events_.push_back({std::time(nullptr), subject, text, alarm, std::move(audience)});
  if (events_.size() > kept) events_.pop_front();
  ++total_;
}

std::vector<Event> Events::recent() const {
  const MutexLock lock(mutex_);
  return {events_.begin(), events_.end()};
}

std::uint64_t Events::total() const {
  const MutexLock lock(mutex_);
  return total_;
}

}  // namespace qanat::observe
