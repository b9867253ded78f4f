// Whom an upstream asks, for how much, and what it says of those who do not answer: its part of
// upstream.h.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "sources/upstream/upstream.h"

namespace qanat::sources {

using entropy::Combiner;
using entropy::SourceState;
using peers::Trouble;
using namespace std::chrono_literals;

namespace {

// How long to stay in a hub's line: who leaves it has to begin again at its end, and of two who
// share a slow source the one that leaves more often gets less. Where there is another hub to ask,
// or a seed of grade drbg to be had, not so long.
constexpr Duration in_line = 2min;
constexpr Duration in_line_with_choice = 10s;
constexpr std::size_t drbg_seed_bytes = 64;
constexpr Duration longest_look = 1min;

}  // namespace

bool Upstream::is_asking() const {
  return std::any_of(links_.begin(), links_.end(), [](const Link& link) { return link.asked; });
}

std::size_t Upstream::question_bytes() {
  const std::size_t wanted = std::min(services_.dispenser.wanted(), transfer_size_.bytes());
  if (settings_.quorum == 1) return wanted;
  if (held_.size() == 0 && !is_asking()) {
    round_blocks_ = (wanted + entropy::block_bytes - 1) / entropy::block_bytes;
  }
  return round_blocks_ * Combiner::share_bytes;
}

bool Upstream::can_ask(std::size_t index) const {
  const Link& link = links_[index];
  return link.worker->idle() && services_.clock.now() >= link.not_before &&
         !(settings_.quorum > 1 && held_.has_link(index));
}

// As many as are lacking, but for those that were asked just now. When to look again.
TimePoint Upstream::ask() {
  const TimePoint now = services_.clock.now();
  if (now < rest_until_) return rest_until_;
  const auto fresh = [&](const Link& link) {
    return link.asked && now - link.asked_at < slow_after;
  };
  std::size_t enough =
      held_.size() + static_cast<std::size_t>(std::count_if(links_.begin(), links_.end(), fresh));
  const std::size_t first = current_;
  for (std::size_t i = 0; i < links_.size() && enough < settings_.quorum; ++i) {
    const std::size_t index = (first + i) % links_.size();
    if (!can_ask(index)) continue;
    ask(index);
    ++enough;
    // Of a quorum's, each in its turn.
    if (settings_.quorum > 1) current_ = (index + 1) % links_.size();
  }
  tell_slow();
  const bool working = std::any_of(links_.begin(), links_.end(),
                                   [](const Link& link) { return !link.worker->idle(); });
  if (enough < settings_.quorum && !working) tell_nobody();
  TimePoint look_at = now + longest_look;
  for (const Link& link : links_) {
    if (fresh(link)) look_at = std::min(look_at, link.asked_at + slow_after);
    if (!link.asked && now < link.not_before) look_at = std::min(look_at, link.not_before);
  }
  return look_at;
}

void Upstream::ask(std::size_t index) {
  Link& link = links_[index];
  const bool choice = services_.seeds || links_.size() > 1;
  // A machine that has not been fed yet takes what there is, at once.
  const bool hurry = services_.seeds && !satisfied_;
  const std::size_t bytes = question_bytes();
  link.asked = true;
  link.asked_at = services_.clock.now();
  link.worker->ask(
      {.bytes = bytes,
       .seed = services_.seeds,
       // Of a DRBG's output no more counts than its seed had.
       .drbg_bytes = settings_.quorum == 1 ? drbg_seed_bytes : bytes,
       .wait = hurry ? Duration::zero()
                     : peers::TransferSize::patience(bytes, choice ? in_line_with_choice : in_line),
       .epoch = epoch_});
}

// Once for each that becomes slow, where there is another to be asked beside it.
void Upstream::tell_slow() {
  const TimePoint now = services_.clock.now();
  for (Link& link : links_) {
    if (!link.asked || now - link.asked_at < slow_after) continue;
    link.problem = fmt::format("{} is slow: it has not answered for {:.0f} s",
                               link.worker->link().name(), seconds(slow_after));
    if (!std::exchange(link.slow, true) && links_.size() > 1) {
      services_.on_event(name_, link.problem + "; others are asked beside it", EventKind::note);
    }
  }
}

// Nobody is being asked, and nobody can be now.
void Upstream::tell_nobody() {
  const auto any = [this](Trouble trouble) {
    return std::any_of(links_.begin(), links_.end(),
                       [&](const Link& link) { return link.trouble == trouble; });
  };
  const auto hopeless = static_cast<std::size_t>(std::count_if(
      links_.begin(), links_.end(), [](const Link& link) { return link.hopeless(); }));
  const bool no_hope = links_.size() - hopeless < settings_.quorum;
  if (settings_.quorum > 1) {
    const std::string& why =
        last_problem_.empty() ? "too few of them have different keys" : last_problem_;
    return state_.set(
        SourceState::gone,
        fmt::format("{} of {} upstreams have contributed: {}", held_.size(), settings_.quorum, why),
        no_hope);
  }
  // There, and dry: how it should be where many share one source.
  if (any(Trouble::busy)) return state_.set(SourceState::healthy, last_problem_, false);
  // What was rejected has set the state already.
  if (any(Trouble::protocol) && state_.state() == SourceState::suspect) return;
  const bool failed = any(Trouble::distrusted) && !any(Trouble::unreachable);
  state_.set(failed ? SourceState::failed : SourceState::gone, last_problem_, no_hope);
}

}  // namespace qanat::sources
