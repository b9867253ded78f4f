// What an event is of. It decides what the event's line in the log is worth, and who is told of it:
// `[[alarm]] on = [...]` names kinds as they are named here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace qanat {

enum class EventKind : std::uint8_t {
  note,     // a change, nothing to be done
  warning,  // something that an operator should look at, and that has no kind of its own
  source_failed,
  source_gone,
  source_back,  // healthy, after it had failed or was gone
  reserve_empty,
  reserve_back,
  not_ready,
  ready,
  guarantee_suspended,
  guarantee_kept,
  loop_found,
  clock_off,
  thread_stuck,
  thread_back,
};
inline constexpr std::array<std::string_view, 15> event_kind_names{
    "note",           "warning",      "source-failed", "source-gone",  "source-back",
    "reserve-empty",  "reserve-back", "not-ready",     "ready",        "guarantee-suspended",
    "guarantee-kept", "loop-found",   "clock-off",     "thread-stuck", "thread-back"};
static_assert(event_kind_names.size() == static_cast<std::size_t>(EventKind::thread_back) + 1);

constexpr std::string_view to_string(EventKind kind) {
  return event_kind_names[static_cast<std::size_t>(kind)];
}
constexpr std::optional<EventKind> parse_event_kind(std::string_view name) {
  for (std::size_t i = 0; i < event_kind_names.size(); ++i) {
    if (event_kind_names[i] == name) return static_cast<EventKind>(i);
  }
  return std::nullopt;
}

// Whether something is wrong; the others are changes, or say that it is right again.
constexpr bool is_alarm(EventKind kind) {
  switch (kind) {
    case EventKind::note:
    case EventKind::source_back:
    case EventKind::reserve_back:
    case EventKind::ready:
    case EventKind::guarantee_kept:
    case EventKind::thread_back:
      return false;
    case EventKind::warning:
    case EventKind::source_failed:
    case EventKind::source_gone:
    case EventKind::reserve_empty:
    case EventKind::not_ready:
    case EventKind::guarantee_suspended:
    case EventKind::loop_found:
    case EventKind::clock_off:
    case EventKind::thread_stuck:
      return true;
  }
  return true;
}

// Of trouble that has no kind of its own, and of its end.
constexpr EventKind warning_if(bool trouble) {
  return trouble ? EventKind::warning : EventKind::note;
}

}  // namespace qanat
