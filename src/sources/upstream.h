// Another node as a source: full-entropy bytes over HTTPS, fetched when they are wanted.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "base/backoff.h"
#include "base/timing_noise.h"
#include "entropy/blinder.h"
#include "net/http_client.h"
#include "sources/running_source.h"
#include "sources/source_thread.h"

namespace qanat::sources {

struct UpstreamSettings {
  bool credit = true;
  // When an upstream has no full-entropy bytes, take a seed of grade drbg, credited 256 bits:
  // better than nothing for a kernel, never for passing on.
  bool accept_drbg = false;
};

// Several endpoints are tried in turn: the first that answers is kept. Nothing is fetched before it
// is wanted. What arrives is tested here too (FIPS 140-2 blocks, 4-bit blocks, a transfer that came
// before); a transfer that fails is mixed in and not credited.
class Upstream final : public RunningSource {
 public:
  Upstream(std::string name, std::vector<net::Endpoint> endpoints, UpstreamSettings settings,
           const SourceServices& services);
  ~Upstream() override;

  void start() override;
  void wake() override { waker_.wake(); }
  void request_stop() override;
  bool join(Duration limit) override { return thread_.join(limit); }
  // Ends a back-off: the next try is now.
  void retest() override;
  SourceReport report() const override;

 private:
  using Outcome = tl::expected<void, net::ClientError>;

  void run();
  void pause(Duration duration);
  Outcome fetch_from_any(std::size_t bytes);
  Outcome fetch(net::HttpClient& client, std::size_t bytes, bool full);
  bool passes_tests(Bytes bytes);
  void accept(MutableBytes bytes, bool full);
  void set_state(const char* state, const std::string& detail, bool hopeless);

  const std::string name_;
  const UpstreamSettings settings_;
  const SourceServices services_;
  const entropy::SourceId account_;
  Waker waker_;       // bytes are wanted, or a back-off should end
  Waker stop_waker_;  // interrupts the network
  std::atomic<bool> hurry_{false};
  std::vector<std::unique_ptr<net::HttpClient>> clients_;
  std::size_t current_ = 0;
  Backoff backoff_;
  entropy::Blinder blinder_;
  TimingNoise noise_;
  SecretBytes buffer_;
  std::array<std::uint8_t, 32> last_digest_{};

  mutable std::mutex report_mutex_;
  entropy::BlockTests block_tests_;
  std::string state_ = "start-up";
  std::string detail_;
  bool hopeless_ = false;
  std::uint64_t bytes_ = 0;
  std::uint64_t alarms_ = 0;
  std::uint64_t failures_ = 0;
  double rate_ = 0;

  SourceThread thread_;
};

}  // namespace qanat::sources
