#include "entropy/intake.h"

#include <fmt/core.h>

#include <algorithm>

namespace qanat::entropy {

Intake::Intake(SourceId id, Claim claim, ConditioningKey& key, Sink& sink, std::uint64_t seed,
               HealthEvent on_event)
    : id_(id),
      claim_(claim),
      key_(key),
      sink_(sink),
      on_event_(std::move(on_event)),
      health_(claim.h, seed),
      conditioner_(key, claim.h, static_cast<std::uint16_t>(id)),
      window_(window_samples),
      passed_(window_samples) {}

void Intake::samples(Bytes raw, TimePoint began, TimePoint now) {
  const std::scoped_lock lock(mutex_);
  if (!told_gone_.empty()) {
    told_gone_.clear();
    tell("back: start-up tests", false);
  }
  measure_rate(raw.size(), now - began);
  samples_ += raw.size();
  last_samples_ = now;
  block_tests_.add(raw);
  while (!raw.empty()) {
    const std::size_t n = std::min(raw.size(), window_samples - filled_);
    std::copy_n(raw.begin(), n, window_.view().begin() + static_cast<std::ptrdiff_t>(filled_));
    filled_ += n;
    raw = raw.subspan(n);
    if (filled_ < window_samples) break;
    filled_ = 0;
    judge(now);
    // What a failed source gave after the failing window is worth nothing either.
    if (health_.state() == SourceState::failed) break;
  }
}

void Intake::judge(TimePoint now) {
  drain_locked(now);
  const Bytes window = window_.view();
  const Verdict verdict = health_.window(window.first<window_samples>(), now);
  if (verdict.alarm != Alarm::none) {
    conditioner_.forfeit();
    left_ = 0;
  }
  const bool for_key = ++windows_ % key_window_interval == 0;
  if (verdict.credit && claim_.credit && !for_key && left_ == 0) {
    std::copy(window.begin(), window.end(), passed_.view().begin());
    left_ = window_samples;
    drain_locked(now);
  } else {
    key_.mix("window", window);
  }
  wipe(window_.view());
  announce(verdict, now);
}

bool Intake::drain(TimePoint now) {
  const std::scoped_lock lock(mutex_);
  return drain_locked(now);
}

bool Intake::drain_locked(TimePoint now) {
  WipedArray<block_bytes> block;
  while (left_ > 0 && sink_.wanted() > 0) {
    const MutableBytes rest = passed_.view().last(left_);
    const std::size_t n = conditioner_.absorb(rest);
    wipe(rest.first(n));
    left_ -= n;
    credited_samples_ += n;
    if (conditioner_.complete()) {
      conditioner_.finish(std::span<std::uint8_t, block_bytes>(block.data(), block_bytes));
      sink_.credit(id_, block.view(), now);
    }
  }
  return left_ == 0;
}

void Intake::measure_rate(std::size_t count, Duration took) {
  constexpr double memory_seconds = 8;
  recent_samples_ += static_cast<double>(count);
  recent_seconds_ += seconds(took);
  if (recent_seconds_ > memory_seconds) {
    recent_samples_ /= 2;
    recent_seconds_ /= 2;
  }
}

void Intake::tell(const std::string& text, bool alarm) {
  detail_ = alarm ? text : "";
  on_event_(text, alarm);
}

void Intake::announce(const Verdict& verdict, TimePoint now) {
  if (!verdict.changed) return;
  switch (health_.state()) {
    case SourceState::healthy:
      tell("healthy: passed 1,024 samples", false);
      return;
    case SourceState::suspect:
      tell(fmt::format("suspect: {} test failed; testing again", to_string(verdict.alarm)), true);
      return;
    case SourceState::failed:
      sink_.lost(id_, now);
      tell(fmt::format("failed: {} test at {} bits claimed per byte; next try in {:.0f} s",
                       to_string(verdict.alarm), claim_.h, seconds(health_.retry_at() - now)),
           true);
      return;
    case SourceState::start_up:
    case SourceState::gone:
      return;
  }
}

bool Intake::due(bool demand, TimePoint now) const {
  const std::scoped_lock lock(mutex_);
  const SourceState state = health_.state();
  if (state == SourceState::start_up || state == SourceState::suspect) return true;
  const Duration since = now - last_samples_;
  if (since >= idle_interval) return true;
  return demand && (claim_.credit || since >= uncredited_interval);
}

void Intake::retest() {
  const std::scoped_lock lock(mutex_);
  health_.retest();
  conditioner_.forfeit();
  wipe(passed_.view());
  wipe(window_.view());
  left_ = 0;
  filled_ = 0;
}

void Intake::gone(const std::string& why, TimePoint now) {
  const std::scoped_lock lock(mutex_);
  if (health_.state() != SourceState::gone) {
    health_.gone();
    // A window that was cut off never passed.
    wipe(window_.view());
    filled_ = 0;
    sink_.lost(id_, now);
  }
  detail_ = "gone: " + why;
  // A peer may find new words each time.
  constexpr std::size_t most_reasons = 8;
  if (told_gone_.size() < most_reasons && told_gone_.insert(why).second) tell(detail_, true);
}

void Intake::back() {
  const std::scoped_lock lock(mutex_);
  if (health_.state() != SourceState::gone) return;
  health_.back();
  detail_.clear();
}

void Intake::try_again() {
  const std::scoped_lock lock(mutex_);
  health_.try_again();
}

SourceState Intake::state() const {
  const std::scoped_lock lock(mutex_);
  return health_.state();
}

TimePoint Intake::retry_at() const {
  const std::scoped_lock lock(mutex_);
  return health_.retry_at();
}

IntakeReport Intake::report() const {
  const std::scoped_lock lock(mutex_);
  return {.state = health_.state(),
          .detail = detail_,
          .samples = samples_,
          .credited_samples = credited_samples_,
          .alarms = health_.alarms(),
          .failures = health_.failures(),
          .last_alarm = health_.last_alarm(),
          .blocks = block_tests_.counts(),
          .rate = recent_seconds_ > 0 ? recent_samples_ / recent_seconds_ : 0};
}

}  // namespace qanat::entropy
