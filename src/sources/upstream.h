// Other nodes as a source: full-entropy bytes over HTTPS, fetched when they are wanted.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "base/backoff.h"
#include "base/timing_noise.h"
#include "entropy/blinder.h"
#include "entropy/combiner.h"
#include "net/transfer_size.h"
#include "sources/running_source.h"
#include "sources/source_thread.h"
#include "sources/upstream_link.h"

namespace qanat::sources {

struct UpstreamSettings {
  bool credit = true;
  // Credit nothing before so many upstreams with different keys have contributed.
  std::size_t quorum = 1;
};

// Throws Failure when so many cannot contribute: too few endpoints, or too few different keys.
void check_quorum(const std::vector<net::Endpoint>& endpoints, std::size_t quorum);

// With a quorum of 1, endpoints are tried in turn, the first that answers is kept, and its bytes
// pass one to one. With a larger one, each block is made of the bytes of so many of them, and
// counts as one of them does. Nothing is fetched before it is wanted. What fails a test is mixed in
// and not credited.
class Upstream final : public RunningSource {
 public:
  // Throws Failure when the quorum cannot be reached.
  Upstream(std::string name, std::vector<net::Endpoint> endpoints, UpstreamSettings settings,
           const SourceServices& services);
  ~Upstream() override;

  void start() override;
  void wake() override { waker_.wake(); }
  void request_stop() override;
  bool join(Duration limit) override { return thread_.join(limit); }
  // Ends a back-off: the next try is now, on a connection of its own.
  void retest() override;
  bool at_rest() const override { return at_rest_.load(); }
  SourceReport report() const override;

 private:
  using Outcome = tl::expected<void, net::ClientError>;

  // What a member of the quorum gave for the round that is being gathered.
  struct Contribution {
    crypto::Pin key;
    SecretBytes bytes;
    bool full = true;
    wire::Path path;
  };

  void run();
  void pause(Duration duration);
  void rest();
  void renew();
  Outcome fetch_one(std::size_t bytes);
  Outcome fetch_quorum(std::size_t bytes);
  Outcome contribute(UpstreamLink& link);
  tl::expected<UpstreamLink::Transfer, net::ClientError> ask(UpstreamLink& link, MutableBytes& out,
                                                             bool& full);
  tl::expected<UpstreamLink::Transfer, net::ClientError> fetch(UpstreamLink& link,
                                                               MutableBytes& out, bool& full);
  bool contributed(const crypto::Pin& key) const;
  void reject(Bytes bytes, const std::string& why);
  void credit(MutableBytes bytes, bool full, wire::Path path);
  void count_outdated(std::size_t bytes);
  void set_state(const char* state, const std::string& detail, bool hopeless);

  const std::string name_;
  const UpstreamSettings settings_;
  const SourceServices services_;
  const entropy::SourceId account_;
  Waker waker_;       // bytes are wanted, or a back-off should end
  Waker stop_waker_;  // interrupts the network
  std::atomic<bool> hurry_{false};
  std::atomic<bool> renew_{false};
  entropy::Epoch epoch_;  // in which we ask
  std::atomic<bool> at_rest_{false};
  std::vector<std::unique_ptr<UpstreamLink>> links_;
  std::size_t current_ = 0;
  net::TransferSize transfer_size_;
  std::vector<Contribution> round_;
  std::size_t round_blocks_ = 0;
  Backoff backoff_;       // while nobody answers
  Backoff busy_backoff_;  // while who answers has nothing
  entropy::Blinder blinder_;
  entropy::Combiner combiner_;
  TimingNoise noise_;
  SecretBytes buffer_;
  bool polite_ = false;     // a pollen server fills a reserve
  wire::Path path_;         // as the last credit had it
  bool credited_ = false;   // anything yet
  bool satisfied_ = false;  // all that was wanted, once

  mutable std::mutex report_mutex_;
  std::string state_ = "start-up";
  std::string detail_;
  bool hopeless_ = false;
  std::uint64_t bytes_ = 0;
  std::uint64_t alarms_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t outdated_ = 0;  // bytes that were asked for before a renewal
  double rate_ = 0;

  SourceThread thread_;
};

}  // namespace qanat::sources
