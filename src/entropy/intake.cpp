#include "entropy/intake.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/quantity.h"

namespace qanat::entropy {

Intake::Intake(SourceId id, Claim claim, ConditioningKey& key, Sink& sink, std::uint64_t seed,
               HealthEvent on_event)
    : id_(id),
      claim_(claim),
      key_(key),
      sink_(sink),
      on_event_(std::move(on_event)),
      health_(claim.h, seed, claim.policy()),
      conditioner_(key, claim.h, static_cast<std::uint16_t>(id)),
      epoch_(sink.epoch()),
      window_(window_samples),
      passed_(window_samples) {}

void Intake::samples(Bytes raw, Epoch epoch, TimePoint began, TimePoint now) {
  std::optional<News> news;
  {
    const MutexLock lock(mutex_);
    renew_locked();
    if (epoch != epoch_) {
      outdated_ += raw.size();
      return;
    }
    if (!told_gone_.empty()) {
      told_gone_.clear();
      news = note_locked("back: start-up tests", EventKind::note);
    }
    measure_rate_locked(raw.size(), now - began);
    samples_ += raw.size();
    last_samples_ = now;
    block_tests_.add(raw);
    estimate_.add(raw);
  }
  tell(news, now);
  while (!raw.empty()) {
    drain(now);
    {
      const MutexLock lock(mutex_);
      if (epoch != epoch_) return;
      const std::size_t n = std::min(raw.size(), window_samples - filled_);
      std::copy_n(raw.begin(), n, window_.view().begin() + static_cast<std::ptrdiff_t>(filled_));
      filled_ += n;
      raw = raw.subspan(n);
      if (filled_ < window_samples) return;
      filled_ = 0;
      news = judge_locked(now);
      // What a failed source gave after the failing window is worth nothing either.
      if (health_.state() == SourceState::failed) raw = {};
    }
    tell(news, now);
  }
  drain(now);
}

// Of a whole window.
std::optional<Intake::News> Intake::judge_locked(TimePoint now) {
  last_window_ = now;
  const Bytes window = window_.view();
  const Verdict verdict = health_.window(window.first<window_samples>(), now);
  if (verdict.alarm != Alarm::none || health_.state() == SourceState::refuted) {
    conditioner_.forfeit();
    left_ = 0;
  }
  const bool for_key = ++windows_ % key_window_interval == 0;
  if (verdict.credit && credits_locked() && !for_key && left_ == 0) {
    std::copy(window.begin(), window.end(), passed_.view().begin());
    left_ = window_samples;
  } else {
    key_.mix("window", window);
  }
  wipe(window_.view());
  return news_locked(verdict, now);
}

bool Intake::credits_locked() const {
  return claim_.credit && withheld_.empty() && health_.state() != SourceState::refuted;
}

bool Intake::drain(TimePoint now) {
  WipedArray<block_bytes> block;
  for (;;) {
    Epoch epoch = 0;
    const bool wanted = sink_.wanted() > 0;
    {
      const MutexLock lock(mutex_);
      renew_locked();
      if (left_ == 0 || !wanted) return left_ == 0;
      const MutableBytes rest = passed_.view().last(left_);
      const std::size_t n = conditioner_.absorb(rest);
      wipe(rest.first(n));
      left_ -= n;
      credited_samples_ += n;
      if (!conditioner_.complete()) continue;
      conditioner_.finish(std::span<std::uint8_t, block_bytes>(block.data(), block_bytes));
      epoch = epoch_;
    }
    if (sink_.credit(id_, block.view(), epoch, now)) continue;
    const MutexLock lock(mutex_);
    outdated_ += conditioner_.samples_per_block();
  }
}

void Intake::measure_rate_locked(std::size_t count, Duration took) {
  constexpr double memory_seconds = 8;
  recent_samples_ += static_cast<double>(count);
  recent_seconds_ += seconds(took);
  if (recent_seconds_ > memory_seconds) {
    recent_samples_ /= 2;
    recent_seconds_ /= 2;
  }
}

Intake::News Intake::note_locked(std::string text, EventKind kind) {
  detail_ = is_alarm(kind) ? text : "";
  was_lost_ = was_lost_ || kind == EventKind::source_failed || kind == EventKind::source_gone;
  return {std::move(text), kind, false};
}

void Intake::tell(const std::optional<News>& news, TimePoint now) {
  if (!news) return;
  if (news->lost) sink_.lost(id_, now);
  if (!news->text.empty()) on_event_(news->text, news->kind);
}

std::optional<Intake::News> Intake::news_locked(const Verdict& verdict, TimePoint now) {
  if (verdict.measured && health_.state() != SourceState::refuted) {
    return News{fmt::format("measured {:.2f} bits a byte, {:g} claimed: credited all the same, as "
                            "credit=insist says",
                            *verdict.measured, claim_.h),
                EventKind::warning, false};
  }
  if (!verdict.changed) return std::nullopt;
  News news;
  switch (health_.state()) {
    case SourceState::healthy:
      return note_locked("healthy: passed 1,024 samples", std::exchange(was_lost_, false)
                                                              ? EventKind::source_back
                                                              : EventKind::note);
    case SourceState::suspect:
      return note_locked(fmt::format("suspect: {} test failed ({}); testing again",
                                     to_string(verdict.alarm), explain(verdict.alarm)),
                         EventKind::warning);
    case SourceState::failed:
      news = note_locked(
          fmt::format("failed: {} test at {} claimed per byte ({}); next try in {:.0f} s",
                      to_string(verdict.alarm), format_bits(claim_.h), explain(verdict.alarm),
                      seconds(health_.retry_at() - now)),
          EventKind::source_failed);
      news.lost = true;
      return news;
    case SourceState::refuted:
      news = note_locked(
          fmt::format("refuted: measured {:.2f} bits a byte, {:g} claimed; nothing is credited "
                      "until h= is corrected, or credit=insist says otherwise",
                      verdict.measured.value_or(0), claim_.h),
          EventKind::source_failed);
      news.lost = true;
      return news;
    case SourceState::start_up:
    case SourceState::gone:
      break;
  }
  return std::nullopt;
}

bool Intake::due(bool demand, TimePoint now) const {
  const MutexLock lock(mutex_);
  const SourceState state = health_.state();
  if (state == SourceState::start_up || state == SourceState::suspect) return true;
  const Duration since = now - last_samples_;
  if (since >= idle_interval) return true;
  return demand && (credits_locked() || since >= uncredited_interval);
}

void Intake::retest() {
  const MutexLock lock(mutex_);
  retest_locked();
}

void Intake::retest_locked() {
  health_.retest();
  conditioner_.forfeit();
  wipe(passed_.view());
  wipe(window_.view());
  left_ = 0;
  filled_ = 0;
}

// After a renewal nothing of before is left here, whoever comes first.
void Intake::renew_locked() {
  const Epoch now = sink_.epoch();
  if (now == epoch_) return;
  epoch_ = now;
  retest_locked();
}

void Intake::gone(const std::string& why, TimePoint now) {
  std::optional<News> news;
  {
    const MutexLock lock(mutex_);
    // That is the worse of the two, and remains to be said.
    if (health_.state() == SourceState::refuted) {
      wipe(window_.view());
      filled_ = 0;
      return;
    }
    const bool was_there = health_.state() != SourceState::gone;
    if (was_there) {
      health_.gone();
      // A window that was cut off never passed.
      wipe(window_.view());
      filled_ = 0;
    }
    detail_ = "gone: " + why;
    // A peer may find new words each time.
    constexpr std::size_t most_reasons = 8;
    const bool fresh = told_gone_.size() < most_reasons && told_gone_.insert(why).second;
    was_lost_ = true;
    if (was_there || fresh) {
      news = News{fresh ? detail_ : "", EventKind::source_gone, was_there};
    }
  }
  tell(news, now);
}

void Intake::broke(const std::string& why, TimePoint now) {
  News news;
  {
    const MutexLock lock(mutex_);
    health_.broke(now);
    conditioner_.forfeit();
    left_ = 0;
    filled_ = 0;
    news = note_locked(
        fmt::format("failed: {}; next try in {:.0f} s", why, seconds(health_.retry_at() - now)),
        EventKind::source_failed);
    news.lost = true;
  }
  tell(news, now);
}

void Intake::back() {
  const MutexLock lock(mutex_);
  if (health_.state() != SourceState::gone) return;
  health_.back();
  detail_.clear();
}

void Intake::try_again() {
  const MutexLock lock(mutex_);
  health_.try_again();
}

void Intake::withhold(const std::string& why) {
  {
    const MutexLock lock(mutex_);
    if (withheld_ == why) return;
    withheld_ = why;
    conditioner_.forfeit();
    wipe(passed_.view());
    left_ = 0;
  }
  if (!why.empty() && claim_.credit) on_event_("credited 0: " + why, EventKind::warning);
}

SourceState Intake::state() const {
  const MutexLock lock(mutex_);
  return health_.state();
}

bool Intake::has_credited() const {
  const MutexLock lock(mutex_);
  return credited_samples_ > 0;
}

TimePoint Intake::retry_at() const {
  const MutexLock lock(mutex_);
  return health_.retry_at();
}

IntakeReport Intake::report() const {
  const MutexLock lock(mutex_);
  return {.state = health_.state(),
          .credit = credits_locked(),
          .detail = detail_.empty() && !withheld_.empty() ? "credited 0: " + withheld_ : detail_,
          .samples = samples_,
          .credited_samples = credited_samples_,
          .alarms = health_.alarms(),
          .failures = health_.failures(),
          .last_alarm = health_.last_alarm(),
          .blocks = block_tests_.counts(),
          .rate = health_.state() != SourceState::gone && recent_seconds_ > 0
                      ? recent_samples_ / recent_seconds_
                      : 0,
          .outdated = outdated_,
          .last_window = last_window_,
          .test_failures = health_.test_failures(),
          .estimate = estimate_.result()};
}

}  // namespace qanat::entropy
