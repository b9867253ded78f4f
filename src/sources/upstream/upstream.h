// Other nodes as a source: full-entropy bytes over HTTPS, fetched when they are wanted.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/backoff.h"
#include "base/timing_noise.h"
#include "entropy/combiner.h"
#include "entropy/relay.h"
#include "peers/transfer_size.h"
#include "sources/runner/relay_state.h"
#include "sources/runner/running_source.h"
#include "sources/runner/source_thread.h"
#include "sources/upstream/contributions.h"
#include "sources/upstream/worker.h"

namespace qanat::sources {

struct UpstreamSettings {
  bool credit = true;
  // Credit nothing before so many upstreams with different keys have contributed.
  std::size_t quorum = 1;
};

// Throws Failure when so many cannot contribute: too few endpoints, or too few different keys.
void check_quorum(const std::vector<peers::Endpoint>& endpoints, std::size_t quorum);

// Each endpoint has a thread of its own, and none waits for another. With a quorum of 1 the one
// that answered last is asked; when it has not answered within a few seconds another is asked
// beside it, and what comes first is taken; bytes pass one to one. With a larger quorum so many are
// asked side by side, and others in place of the slow; each block is made of the bytes of so many
// of them, and counts as one of them does. Nothing is fetched before it is wanted; what comes late
// is kept for the next time. What fails a test is mixed in and not credited.
class Upstream final : public RunningSource {
 public:
  // Throws Failure when the quorum cannot be reached.
  Upstream(std::string name, std::vector<peers::Endpoint> endpoints, UpstreamSettings settings,
           const SourceServices& services);
  ~Upstream() override;

  void start() override;
  void wake() override { waker_.wake(); }
  void request_stop() override;
  bool join(Duration limit) override;
  // Ends a back-off, too: the next try is now, on a connection of its own.
  void renew() override;
  bool at_rest() const override { return at_rest_.load(); }
  observe::SourceReport report() const override;

 private:
  // Another is asked beside one that has not answered for so long.
  static constexpr Duration slow_after = std::chrono::seconds(3);

  struct Link {
    std::unique_ptr<UpstreamWorker> worker;
    Backoff backoff;       // while it does not answer
    Backoff busy_backoff;  // while it answers, and has nothing
    TimePoint not_before{};
    bool asked = false;  // for bytes, and no answer yet
    TimePoint asked_at{};
    bool slow = false;         // the question that it has, or its last, took too long
    bool unprepared = false;   // for seeds by trickle
    bool told = false;         // of its problem
    std::string problem = {};  // of its last answer; empty when that was good
    std::optional<peers::Trouble> trouble = std::nullopt;

    bool hopeless() const {
      return trouble == peers::Trouble::distrusted || trouble == peers::Trouble::refused;
    }
  };

  void run();
  void rest();
  void begin_anew();
  void collect();
  void take(std::size_t index, UpstreamWorker::Answer answer);
  void fail(Link& link, std::size_t asked, const peers::ClientError& error);
  void keep(std::size_t index, UpstreamWorker::Answer& answer);
  void deliver();
  TimePoint ask();
  bool can_ask(std::size_t index) const;
  void ask(std::size_t index);
  void tell_slow();
  void tell_nobody();
  std::size_t question_bytes();
  bool is_asking() const;
  void reject(Bytes bytes, const std::string& why);
  void credit(MutableBytes bytes, bool full, wire::Path path);
  void set_healthy();

  const std::string name_;
  const UpstreamSettings settings_;
  const SourceServices services_;
  const entropy::SourceId account_;
  const Waker waker_;  // bytes are wanted, an answer has come, or a back-off should end
  std::atomic<bool> renew_{false};
  std::atomic<bool> at_rest_{false};
  std::vector<Link> links_;
  std::size_t current_ = 0;  // whom to ask first
  peers::TransferSize transfer_size_;
  Contributions held_;
  entropy::Epoch epoch_;          // of what is held and asked for
  std::size_t round_blocks_ = 0;  // how many a contribution to a quorum is for
  TimePoint rest_until_{};        // what is worth nothing is not fetched as fast as it comes
  std::string last_problem_;
  entropy::Relay relay_;
  entropy::Combiner combiner_;
  TimingNoise noise_;
  SecretBytes block_;       // of a quorum
  bool polite_ = false;     // a pollen server fills a reserve
  wire::Path path_;         // as the last credit had it
  bool credited_ = false;   // anything yet
  bool satisfied_ = false;  // all that was wanted, once

  RelayState state_;
  std::atomic<double> rate_{0};  // bytes a second, of the last few transfers

  SourceThread thread_;
};

}  // namespace qanat::sources
