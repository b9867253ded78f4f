// The health state machine of one source: its states, and when each changes.
//
//   start-up --2 windows pass--> healthy --alarm--> suspect --2 windows pass--> healthy
//      |                            ^                  |
//      +--alarm--> failed <---------|------alarm-------+     (third alarm in 1,000 windows: failed)
//                    +--after back-off: start-up--+
//   any --device absent--> gone --device back--> start-up
//   start-up, healthy --what it gave refutes the claim--> refuted, for good: the claim is wrong,
//   and neither a retry nor another window makes it right
#pragma once

#include <cstdint>
#include <optional>

#include "base/backoff.h"
#include "entropy/claim_test.h"

namespace qanat::entropy {

enum class SourceState { start_up, healthy, suspect, failed, gone, refuted };
// "start-up", "healthy", "suspect", "failed", "gone", "refuted": as in the status document.
const char* to_string(SourceState state);

struct Verdict {
  bool credit = false;                            // whether this window counts as assessed input
  Alarm alarm = Alarm::none;                      // the test that rejected it
  bool changed = false;                           // whether the state is another than before
  std::optional<double> measured = std::nullopt;  // bits per sample, when that refutes the claim
};

// What is done about a claim that the samples refute.
enum class ClaimPolicy {
  hold,    // the source is refuted
  insist,  // it is said, and nothing else: the operator knows better
  ignore,  // nothing is claimed
};

// Not thread-safe; time comes in as an argument.
class SourceHealth {
 public:
  // SP 800-90B 4.3 item 4: start-up tests see at least 1,024 samples.
  static constexpr unsigned start_up_windows = 1024 / window_samples;
  // Alarms that come again and again are no accident at alpha = 2^-30.
  static constexpr unsigned alarm_limit = 3;
  static constexpr std::uint64_t alarm_memory_windows = 1000;

  // `seed` spreads the retries of many nodes.
  SourceHealth(double h, std::uint64_t seed, ClaimPolicy policy = ClaimPolicy::hold);

  // Judges one window. Call it only in the states start-up, healthy, suspect and refuted; in that
  // one nothing counts.
  Verdict window(Window window, TimePoint now);

  // Runs the start-up tests over (on-demand test, SP 800-90B 4.3 item 5).
  void retest();
  // The device is absent, or back.
  void gone();
  void back();
  // In state failed: when the source may be tried again; `try_again` then begins start-up.
  TimePoint retry_at() const { return retry_at_; }
  void try_again();
  // Reading it ended by an exception: failed, until the next try.
  void broke(TimePoint now);

  SourceState state() const { return state_; }
  // Alarms so far, and how often the state became failed.
  std::uint64_t alarms() const { return alarms_; }
  std::uint64_t failures() const { return failures_; }
  Alarm last_alarm() const { return last_alarm_; }
  // Windows that each test rejected, by Alarm; `none` stays 0.
  using TestFailures = std::array<std::uint64_t, alarm_kinds>;
  const TestFailures& test_failures() const { return test_failures_; }

 private:
  void begin(SourceState state);
  bool too_many_alarms();
  void hold_claim(Window window, Verdict& verdict);

  const ClaimPolicy policy_;
  HealthTests tests_;
  ClaimTest claim_test_;
  Backoff backoff_;
  SourceState state_ = SourceState::start_up;
  unsigned passed_ = 0;  // windows passed in start-up or suspect
  std::uint64_t windows_ = 0;
  std::uint64_t healthy_since_ = 0;  // window number
  std::array<std::uint64_t, alarm_limit> alarm_at_{};
  std::uint64_t alarms_ = 0;
  std::uint64_t failures_ = 0;
  Alarm last_alarm_ = Alarm::none;
  TestFailures test_failures_{};
  TimePoint retry_at_{};
};

}  // namespace qanat::entropy
