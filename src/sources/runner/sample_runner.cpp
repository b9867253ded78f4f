#include "sources/runner/sample_runner.h"

#include <fmt/core.h>

#include <utility>

#include "crypto/aead.h"

namespace qanat::sources {

using entropy::Intake;
using entropy::SourceState;
using namespace std::chrono_literals;

namespace {

// A lost source is looked for after this, later less often (Source::longest_absence).
constexpr Duration first_absence = 2s;
constexpr Duration least_absence = 1s;
// What a command reads from is looked at after so many of its first reads, as it may open it and
// close it again, and then so often.
constexpr unsigned first_looks = 8;
constexpr Duration look_interval = 10s;

}  // namespace

SampleRunner::SampleRunner(std::string name, std::unique_ptr<Source> source, entropy::Claim claim,
                           const SourceServices& services)
    : name_(std::move(name)),
      source_(std::move(source)),
      services_(services),
      intake_(services.dispenser.open_source(name_), claim, services.key, services.dispenser,
              crypto::random_seed(),
              [this](const std::string& text, EventKind kind) {
                services_.on_event(name_, text, kind);
              }),
      absence_(first_absence, source_->longest_absence(), crypto::random_seed(), least_absence),
      epoch_(services.dispenser.epoch()),
      buffer_(entropy::window_samples) {}

SampleRunner::~SampleRunner() {
  request_stop();
  if (services_.origins == nullptr) return;
  services_.origins->release(intake_.id(), intake_.has_credited());
}

void SampleRunner::start() {
  thread_.start(
      [this] {
        run();
        source_->close();
      },
      [this](const std::string& why) {
        open_ = false;
        source_->close();
        intake_.broke(why, services_.clock.now());
      },
      waker_, services_.clock);
}

void SampleRunner::request_stop() {
  thread_.request_stop();
  waker_.wake();
  stop_waker_.wake();
}

void SampleRunner::retest() {
  intake_.retest();
  look_now_ = true;
  waker_.wake();
}

void SampleRunner::run() {
  while (!thread_.stopping()) {
    thread_.turn(services_.clock.now());
    waker_.clear();
    if (thread_.stopping()) return;
    if (intake_.state() == SourceState::failed) {
      thread_.rest();
      // Whoever wants bytes wakes this too: that makes a failed device no better.
      thread_.pause(intake_.retry_at() - services_.clock.now(), waker_, services_.clock,
                    [] { return false; });
      if (thread_.stopping()) return;
      // First as it is: one that begins with zeros after each open has them behind it. Then with a
      // new start for the device, too.
      if (std::exchange(kept_open_, !kept_open_)) {
        source_->close();
        open_ = false;
      }
      intake_.try_again();
    }
    if (absent_) await_return();
    if (thread_.stopping()) return;
    thread_.turn(services_.clock.now());
    empty_buffers();
    const bool due = lost_ || intake_.due(services_.dispenser.demand(), services_.clock.now());
    if ((due || !source_->closed_at_rest()) && !ensure_open()) continue;
    due ? read_some() : sleep_until_needed();
  }
}

// After a renewal of the node: what is read from here on was not there before it.
void SampleRunner::empty_buffers() {
  const entropy::Epoch now = services_.dispenser.epoch();
  if (now == epoch_) return;
  epoch_ = now;
  if (!open_ || source_->renew()) return;
  source_->close();
  open_ = false;
}

// Nor an absent one more present; but after a resume what was absent may be there.
void SampleRunner::await_return() {
  thread_.rest();
  thread_.pause(absence_.next(), waker_, services_.clock, [this] { return look_now_.load(); });
  if (look_now_.exchange(false)) absence_.reset();
}

bool SampleRunner::ensure_open() {
  if (open_) return true;
  if (auto opened = source_->open(stop_waker_); !opened) {
    if (!thread_.stopping()) lose(opened.error());
    return false;
  }
  open_ = true;
  absent_ = false;
  looks_ = 0;
  check_origin();
  return true;
}

// Each device's and each file's bytes are credited once, and those of none that has them from
// elsewhere.
void SampleRunner::check_origin() {
  const entropy::Claim& claim = intake_.claim();
  if (!claim.credit) return;
  std::string why = source_->lookalike();
  if (!why.empty() && claim.vouched) {
    if (!std::exchange(doubted_, true)) {
      services_.on_event(name_,
                         fmt::format("credited as its name claims, although {}: what this node "
                                     "feeds to the kernel is counted twice",
                                     why),
                         EventKind::note);
    }
    why.clear();
  }
  if (claim.insist) return;
  const auto origin = source_->origin();
  if (why.empty() && origin && services_.origins != nullptr) {
    const std::string other = services_.origins->claim(*origin, intake_.id(), name_);
    if (!other.empty()) why = "it is the same as " + other + ", and is counted there";
  }
  withheld_ = !why.empty();
  intake_.withhold(why);
}

void SampleRunner::sleep_until_needed() {
  thread_.rest();
  const bool pacing = services_.dispenser.demand();
  // One of credit 0 gives a window now and then while others work: not each time with an opening.
  if (open_ && !pacing && source_->closed_at_rest()) {
    source_->close();
    open_ = false;
  }
  const Wake wake = wait_for(source_->descriptor(), POLLRDHUP, waker_,
                             pacing ? Intake::uncredited_interval : Intake::idle_interval);
  // An error or a hang-up; of a socket, that the peer has ended its half.
  if (wake == Wake::ready) lose({"the device hung up"});
}

void SampleRunner::read_some() {
  const TimePoint began_at = services_.clock.now();
  // What was read before is enough, unless it was long ago.
  if (!lost_ && !intake_.drain(began_at) && !intake_.due(false, began_at)) return;
  // A whole window, however little a read gives.
  // Who had it may have ended.
  if (withheld_) check_origin();
  source_->expect(began_at + peer_patience);
  std::size_t wanted = entropy::window_samples;
  while (wanted > 0 && !thread_.stopping() && services_.dispenser.epoch() == epoch_) {
    const TimePoint began = services_.clock.now();
    thread_.turn(began);
    const auto got = source_->read(buffer_.view().first(wanted), waker_);
    if (!got) return lose(got.error());
    if (*got == 0) {
      // Woken: by a stop, or by somebody who wants what is being read anyway.
      waker_.clear();
      continue;
    }
    const TimePoint now = services_.clock.now();
    absence_.reset();
    // A FIFO opens without anybody who writes, and a device that gives nothing: it is back with its
    // first bytes.
    if (std::exchange(lost_, false)) intake_.back();
    if (looks_ < first_looks || now >= next_look_) {
      ++looks_;
      next_look_ = now + look_interval;
      check_origin();
    }
    intake_.samples(Bytes(buffer_.view()).first(*got), epoch_, began, now);
    wipe(buffer_.view().first(*got));
    wanted -= *got;
    if (intake_.state() == SourceState::failed) return;
  }
}

void SampleRunner::lose(const Error& why) {
  source_->close();
  open_ = false;
  if (why.fault) return intake_.broke(why.message, services_.clock.now());
  absent_ = true;
  lost_ = true;
  intake_.gone(why.message, services_.clock.now());
}

observe::SourceReport SampleRunner::report() const {
  observe::SourceReport report =
      observe::report_of(name_, intake_.claim(), intake_.report(), intake_.id());
  report.last_turn = thread_.last_turn(services_.clock.now());
  report.readings = source_->readings();
  return report;
}

}  // namespace qanat::sources
