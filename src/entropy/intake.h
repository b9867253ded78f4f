// The way of one source's samples: health tests, conditioning, credit.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "assess/running_estimate.h"
#include "base/event_kind.h"
#include "base/mutex.h"
#include "entropy/block_tests.h"
#include "entropy/conditioner.h"
#include "entropy/sink.h"
#include "entropy/source_health.h"

namespace qanat::entropy {

struct Claim {
  double h = 0;         // min-entropy, bits per sample of one byte, in (0, 8]
  bool credit = true;   // false: mixed in, credited 0
  bool insist = false;  // credited whatever is measured, and wherever it comes from
  // Credited although it is seen to be the kernel's generator: the operator wrote credit=yes.
  bool vouched = false;

  ClaimPolicy policy() const {
    if (!credit) return ClaimPolicy::ignore;
    return insist ? ClaimPolicy::insist : ClaimPolicy::hold;
  }
};

struct IntakeReport {
  SourceState state = SourceState::start_up;
  bool credit = true;                  // whether what passes its tests is credited
  std::string detail;                  // the last alarm, while nothing better has happened since;
                                       // or why nothing is credited
  std::uint64_t samples = 0;           // read since start
  std::uint64_t credited_samples = 0;  // of those, assessed and given to the conditioner
  std::uint64_t alarms = 0;
  std::uint64_t failures = 0;
  Alarm last_alarm = Alarm::none;
  BlockTests::Counts blocks;
  double rate = 0;             // samples per second of reading, over the last few seconds of it;
                               // 0 while it is gone
  std::uint64_t outdated = 0;  // samples that were read or asked for before a renewal
  TimePoint last_window{};     // when one was judged; 0: none yet
  SourceHealth::TestFailures test_failures{};
  std::optional<assess::RunningEstimate::Result> estimate;
};

// `text` says what happened, without the source's name.
using HealthEvent = std::function<void(const std::string& text, EventKind kind)>;

// Thread-safe. `sink` and `on_event` are called with no lock held.
class Intake {
 public:
  Intake(SourceId id, Claim claim, ConditioningKey& key, Sink& sink, std::uint64_t seed,
         HealthEvent on_event);

  // Samples as they were read, any number, which took from `began` to `now` to read. `epoch` is the
  // sink's from before they were asked for or read: what is older than a renewal is thrown away.
  void samples(Bytes raw, Epoch epoch, TimePoint began, TimePoint now);
  // Conditions what earlier windows left over, as far as the sink wants it. True when nothing is
  // left, so that new samples are worth reading.
  bool drain(TimePoint now);

  // Whether another window is worth reading now, or asking a peer for: `demand` is the sink's.
  bool due(bool demand, TimePoint now) const;
  // An idle source still gives a window this often: so a device that was pulled out or went stuck
  // is known before its bytes are needed.
  static constexpr Duration idle_interval = std::chrono::seconds(60);
  // One of credit 0 gives a window this often while others work: it is mixed in, and counts
  // nothing.
  static constexpr Duration uncredited_interval = std::chrono::seconds(1);

  // Begins the start-up tests over, as the first samples after a renewal do by themselves. What has
  // been read and is not credited yet never will be.
  void retest();
  // The device is absent. Each reason is told once until there are samples again: a peer may answer
  // and hang up all day long.
  void gone(const std::string& why, TimePoint now);
  // It is there; told with its first samples.
  void back();
  // Waiting in state failed is over: begin start-up.
  void try_again();
  // Reading it has ended by an exception: state failed, until the usual time to try again.
  void broke(const std::string& why, TimePoint now);
  // What it gives is counted elsewhere: from now on it is mixed in, credited 0, and this is why; an
  // empty `why` ends that.
  void withhold(const std::string& why);

  SourceState state() const;
  // Whether any of its samples were credited.
  bool has_credited() const;
  TimePoint retry_at() const;
  const Claim& claim() const { return claim_; }
  SourceId id() const { return id_; }
  IntakeReport report() const;

 private:
  // One window in so many goes into the conditioning key, uncredited.
  static constexpr std::uint64_t key_window_interval = 16;

  // What is told once the lock is released.
  struct News {
    std::string text;
    EventKind kind = EventKind::note;
    bool lost = false;
  };

  std::optional<News> judge_locked(TimePoint now) REQUIRES(mutex_);
  bool credits_locked() const REQUIRES(mutex_);
  void measure_rate_locked(std::size_t count, Duration took) REQUIRES(mutex_);
  std::optional<News> news_locked(const Verdict& verdict, TimePoint now) REQUIRES(mutex_);
  News note_locked(std::string text, EventKind kind) REQUIRES(mutex_);
  void retest_locked() REQUIRES(mutex_);
  void renew_locked() REQUIRES(mutex_);
  void tell(const std::optional<News>& news, TimePoint now) EXCLUDES(mutex_);

  const SourceId id_;
  const Claim claim_;
  ConditioningKey& key_;
  Sink& sink_;
  const HealthEvent on_event_;

  mutable Mutex mutex_;
  SourceHealth health_ GUARDED_BY(mutex_);
  Conditioner conditioner_ GUARDED_BY(mutex_);
  BlockTests block_tests_ GUARDED_BY(mutex_);
  assess::RunningEstimate estimate_ GUARDED_BY(mutex_);
  bool was_lost_ GUARDED_BY(mutex_) = false;  // failed, refuted or gone, and not healthy since
  TimePoint last_window_ GUARDED_BY(mutex_){};
  Epoch epoch_ GUARDED_BY(mutex_);  // of all that is held below
  SecretBytes window_ GUARDED_BY(mutex_);
  std::size_t filled_ GUARDED_BY(mutex_) = 0;  // of window_, while it is gathered
  SecretBytes passed_ GUARDED_BY(mutex_);      // a window that may be credited
  std::size_t left_ GUARDED_BY(mutex_) = 0;    // of passed_, its last bytes: not conditioned yet
  std::uint64_t windows_ GUARDED_BY(mutex_) = 0;
  std::string detail_ GUARDED_BY(mutex_);
  std::string withheld_ GUARDED_BY(mutex_);             // why nothing is credited; empty: it is
  std::set<std::string> told_gone_ GUARDED_BY(mutex_);  // reasons, since the last samples
  std::uint64_t samples_ GUARDED_BY(mutex_) = 0;
  TimePoint last_samples_ GUARDED_BY(mutex_){};
  std::uint64_t credited_samples_ GUARDED_BY(mutex_) = 0;
  std::uint64_t outdated_ GUARDED_BY(mutex_) = 0;
  double recent_samples_ GUARDED_BY(mutex_) = 0;
  double recent_seconds_ GUARDED_BY(mutex_) = 0;
};

}  // namespace qanat::entropy
