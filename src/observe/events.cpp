#include "observe/events.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <new>
#include <utility>

#include "base/log.h"

namespace qanat::observe {
namespace {

// The oldest of whom the most events are of: a command that ends every few seconds does not push
// out what the others had to tell.
std::deque<Event>::iterator least_missed(std::deque<Event>& events) {
  std::map<std::string_view, std::size_t> of_subject;
  for (const Event& event : events) ++of_subject[event.subject];
  const auto most = std::max_element(of_subject.begin(), of_subject.end(),
                                     [](auto& a, auto& b) { return a.second < b.second; });
  return std::find_if(events.begin(), events.end(),
                      [&](const Event& event) { return event.subject == most->first; });
}

}  // namespace

Events::~Events() {
  try {
    tell_sums(TimePoint::max());
  } catch (const std::bad_alloc&) {
    return;
  }
}

void Events::add(const std::string& subject, const std::string& text, bool alarm, Audience audience,
                 TimePoint now) {
  try {
    tell_sums(now);
    LineLimiter& limiter = alarm ? alarms_ : notices_;
    if (limiter.admit(subject, text, now)) return keep(subject, text, alarm, std::move(audience));
  } catch (const std::bad_alloc&) {
    // Whoever tells what has failed must not fail for that.
  }
  const MutexLock lock(mutex_);
  ++total_;
}

void Events::keep(const std::string& subject, const std::string& text, bool alarm,
                  Audience audience) const {
  log_line(alarm ? LogLevel::warning : LogLevel::info, fmt::format("{}: {}", subject, text));
  const MutexLock lock(mutex_);
  events_.push_back({std::time(nullptr), subject, text, alarm, std::move(audience)});
  if (events_.size() > kept) events_.erase(least_missed(events_));
  ++total_;
}

void Events::tell_sums(TimePoint now) const {
  for (const auto& sum : notices_.sums(now)) keep(sum.key, sum.text(), false);
  for (const auto& sum : alarms_.sums(now)) keep(sum.key, sum.text(), true);
}

std::vector<Event> Events::recent(TimePoint now) const {
  tell_sums(now);
  const MutexLock lock(mutex_);
  return {events_.begin(), events_.end()};
}

std::uint64_t Events::total() const {
  const MutexLock lock(mutex_);
  return total_;
}

}  // namespace qanat::observe
