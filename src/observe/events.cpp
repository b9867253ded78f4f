#include "observe/events.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <ctime>
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

// Messages of upstreams and outlets begin with the URL that is their subject, too: "URL as NAME"
// with "URL answered 401: ..." is told with the URL once.
std::string without_subject(const std::string& subject, const std::string& text) {
  for (const std::string& name : {subject, subject.substr(0, subject.find(" as "))}) {
    if (name.find("://") == std::string::npos || !text.starts_with(name)) continue;
    const std::string_view rest = std::string_view(text).substr(name.size());
    if (rest.starts_with(": ")) return std::string(rest.substr(2));
    if (rest.starts_with(' ')) return std::string(rest.substr(1));
  }
  return text;
}

template <int base>
std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string EventId::text() const { return fmt::format("{:x}-{}", run, number); }

std::optional<EventId> EventId::parse(std::string_view text) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto run = whole_number<16>(text.substr(0, dash));
  const auto number = whole_number<10>(text.substr(dash + 1));
  if (!run || !number) return std::nullopt;
  return EventId{*run, *number};
}

Events::~Events() {
  try {
    tell_sums(TimePoint::max());
  } catch (const std::bad_alloc&) {
    return;
  }
}

void Events::add(const std::string& subject, const std::string& whole, EventKind kind,
                 Audience audience, TimePoint now) {
  try {
    const std::string text = without_subject(subject, whole);
    tell_sums(now);
    LineLimiter& limiter = is_alarm(kind) ? alarms_ : notices_;
    if (limiter.admit(subject, text, now)) {
      return happenings_.tell(keep(subject, text, kind, std::move(audience)));
    }
    happenings_.tell({.id = {},
                      .time = std::time(nullptr),
                      .subject = subject,
                      .text = text,
                      .kind = kind,
                      .audience = std::move(audience)});
  } catch (const std::bad_alloc&) {
    // Whoever tells what has failed must not fail for that.
  }
  const MutexLock lock(mutex_);
  ++total_;
  ++counts_[static_cast<std::size_t>(kind)];
}

Event Events::keep(const std::string& subject, const std::string& text, EventKind kind,
                   Audience audience) const {
  log_event(subject, text, kind);
  Event event{.id = {},
              .time = std::time(nullptr),
              .subject = subject,
              .text = text,
              .kind = kind,
              .audience = std::move(audience)};
  // Numbers are microseconds of the steady clock, and no count: who sees a part of the events
  // learns nothing of how many others there were.
  const auto moment = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock().now() - began_).count());
  {
    const MutexLock lock(mutex_);
    last_ = std::max(last_ + 1, moment);
    event.id = EventId{run_, last_}.text();
    event.number = last_;
    events_.push_back(event);
    if (events_.size() > kept) events_.erase(least_missed(events_));
    ++total_;
    ++counts_[static_cast<std::size_t>(kind)];
  }
  listeners_.tell(event);
  return event;
}

void Events::tell_sums(TimePoint now) const {
  for (const auto& sum : notices_.sums(now)) keep(sum.key, sum.text(), EventKind::note);
  for (const auto& sum : alarms_.sums(now)) keep(sum.key, sum.text(), EventKind::warning);
}

std::vector<Event> Events::recent(TimePoint now, std::size_t most) const {
  tell_sums(now);
  const MutexLock lock(mutex_);
  const std::size_t left_out = events_.size() - std::min(most, events_.size());
  return {events_.begin() + static_cast<std::ptrdiff_t>(left_out), events_.end()};
}

std::vector<Event> Events::since(const EventId& last) const {
  const MutexLock lock(mutex_);
  // What never was is of another run, whatever it says.
  const std::uint64_t after = last.run == run_ && last.number <= last_ ? last.number : 0;
  const auto begin = std::find_if(events_.begin(), events_.end(),
                                  [after](const Event& event) { return event.number > after; });
  return {begin, events_.end()};
}

EventId Events::last() const {
  const MutexLock lock(mutex_);
  return {run_, last_};
}

std::uint64_t Events::total() const {
  const MutexLock lock(mutex_);
  return total_;
}

std::map<EventKind, std::uint64_t> Events::counts() const {
  const MutexLock lock(mutex_);
  std::map<EventKind, std::uint64_t> counts;
  for (std::size_t i = 0; i < counts_.size(); ++i) counts[static_cast<EventKind>(i)] = counts_[i];
  return counts;
}

}  // namespace qanat::observe
