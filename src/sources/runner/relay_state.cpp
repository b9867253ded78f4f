#include "sources/runner/relay_state.h"

#include <fmt/core.h>

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

void RelayState::set(SourceState state, const std::string& detail, bool hopeless) {
  const bool good = state == SourceState::healthy;
  bool changed = false;
  {
    const MutexLock lock(mutex_);
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
                     !good);
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
          .account = account_};
}

}  // namespace qanat::sources
