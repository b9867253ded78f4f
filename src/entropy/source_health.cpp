#include "entropy/source_health.h"

namespace qanat::entropy {

using namespace std::chrono_literals;

const char* to_string(SourceState state) {
  switch (state) {
    case SourceState::start_up:
      return "start-up";
    case SourceState::healthy:
      return "healthy";
    case SourceState::suspect:
      return "suspect";
    case SourceState::failed:
      return "failed";
    case SourceState::gone:
      return "gone";
    case SourceState::refuted:
      return "refuted";
  }
  return "gone";
}

// At least a second, so that a source that fails at once does not spin; at most ten minutes, so
// that a mended one is back soon.
SourceHealth::SourceHealth(double h, std::uint64_t seed, ClaimPolicy policy)
    : policy_(policy), tests_(h, seed), claim_test_(h), backoff_(2s, 10min, seed, 1s) {}

void SourceHealth::begin(SourceState state) {
  if (state_ == SourceState::refuted) return;
  state_ = state;
  passed_ = 0;
  tests_.reset();
  if (state == SourceState::start_up) claim_test_.reset();
}

void SourceHealth::hold_claim(Window window, Verdict& verdict) {
  if (policy_ == ClaimPolicy::ignore) return;
  verdict.measured = claim_test_.add(window);
  if (!verdict.measured || policy_ == ClaimPolicy::insist) return;
  state_ = SourceState::refuted;
  verdict.credit = false;
}

bool SourceHealth::too_many_alarms() {
  const std::uint64_t oldest = alarm_at_[alarms_ % alarm_limit];
  return alarms_ >= alarm_limit && windows_ - oldest < alarm_memory_windows;
}

Verdict SourceHealth::window(Window window, TimePoint now) {
  const SourceState before = state_;
  if (before == SourceState::refuted) return {};
  Verdict verdict{.alarm = tests_.test(window)};
  ++windows_;
  if (verdict.alarm != Alarm::none) {
    last_alarm_ = verdict.alarm;
    ++test_failures_[static_cast<std::size_t>(verdict.alarm)];
    alarm_at_[alarms_ % alarm_limit] = windows_;
    ++alarms_;
    if (state_ == SourceState::healthy && !too_many_alarms()) {
      begin(SourceState::suspect);
    } else {
      begin(SourceState::failed);
      ++failures_;
      retry_at_ = now + backoff_.next();
    }
  } else if (state_ == SourceState::healthy) {
    verdict.credit = true;
    if (windows_ - healthy_since_ == alarm_memory_windows) backoff_.reset();
  } else if (++passed_ == start_up_windows) {
    // The windows that proved it are not credited themselves.
    state_ = SourceState::healthy;
    healthy_since_ = windows_;
  }
  if (verdict.alarm == Alarm::none) hold_claim(window, verdict);
  verdict.changed = state_ != before;
  return verdict;
}

void SourceHealth::retest() {
  // One that waits, or is absent, is tested when it is tried again anyway.
  if (state_ != SourceState::failed && state_ != SourceState::gone) begin(SourceState::start_up);
}

void SourceHealth::broke(TimePoint now) {
  begin(SourceState::failed);
  ++failures_;
  retry_at_ = now + backoff_.next();
}

void SourceHealth::gone() { begin(SourceState::gone); }
void SourceHealth::back() { begin(SourceState::start_up); }
void SourceHealth::try_again() { begin(SourceState::start_up); }

}  // namespace qanat::entropy
