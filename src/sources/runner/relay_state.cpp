#include "sources/runner/relay_state.h"

#include <fmt/core.h>

#include <utility>

namespace qanat::sources {

using entropy::SourceState;

namespace {

// Of a peer by whose name the event goes: a detail need not begin with it.
std::string without_name(const std::string& detail, const std::string& name) {
  const auto end = detail.find(": ");
  if (end == std::string::npos) return detail;
  const std::string peer = detail.substr(0, end);
  return name == peer || name.starts_with(peer + " ") ? detail.substr(end + 2) : detail;
}

}  // namespace

RelayState::RelayState(std::string name, entropy::SourceId account, const SourceServices& services)
    : name_(std::move(name)), account_(account), services_(services) {}

EventKind RelayState::kind_locked(SourceState state, const std::string& detail) {
  // As `wire::Path` says of it (UpstreamLink::judge).
  if (detail.starts_with("a loop: ")) return EventKind::loop_found;
  switch (state) {
    case SourceState::healthy:
      return std::exchange(was_lost_, false) ? EventKind::source_back : EventKind::note;
    case SourceState::failed:
    case SourceState::refuted:
      was_lost_ = true;
      return EventKind::source_failed;
    case SourceState::gone:
      was_lost_ = true;
      return EventKind::source_gone;
    case SourceState::start_up:
    case SourceState::suspect:
      break;
  }
  return EventKind::warning;
}

void RelayState::set(SourceState state, const std::string& detail, bool hopeless) {
  const bool good = state == SourceState::healthy;
  bool changed = false;
  EventKind kind = EventKind::warning;
  {
    const MutexLock lock(mutex_);
    kind = kind_locked(state, detail);
    changed = state_ != state || (detail_ != detail && !good);
    if (state_ != SourceState::failed && state == SourceState::failed) ++failures_;
    state_ = state;
    detail_ = detail;
    hopeless_ = hopeless;
  }
  if (!changed) return;
  if (!good) services_.dispenser.lost(account_, services_.clock.now());
  services_.on_event(name_,
                     detail.empty()
                         ? to_string(state)
                         : fmt::format("{}: {}", to_string(state), without_name(detail, name_)),
                     kind);
}

SourceState RelayState::state() const {
  const MutexLock lock(mutex_);
  return state_;
}

void RelayState::count_bytes(std::size_t bytes) {
  const MutexLock lock(mutex_);
  bytes_ += bytes;
}

void RelayState::count_alarm() {
  const MutexLock lock(mutex_);
  ++alarms_;
}

void RelayState::count_outdated(std::size_t bytes) {
  const MutexLock lock(mutex_);
  outdated_ += bytes;
}

observe::SourceReport RelayState::report() const {
  const MutexLock lock(mutex_);
  return {.name = name_,
          .state = state_,
          .detail = detail_,
          .hopeless = hopeless_,
          .h = 8,
          .bytes = bytes_,
          .alarms = alarms_,
          .failures = failures_,
          .blocks = {},
          .dropped = {{"outdated", outdated_}},
          .account = account_,
          .upstream = true};
}

}  // namespace qanat::sources
