// Datagrams that an rngnet sender pushes to us, as a source. docs/protocols/rngnet.md.
#pragma once

#include <atomic>
#include <memory>

#include "base/mutex.h"
#include "peers/rngnet_receiver.h"
#include "sources/runner/running_source.h"
#include "sources/runner/source_thread.h"

namespace qanat::sources {

// They come whether they are wanted or not: what is not wanted is dropped, and counted. Nobody
// vouches for who sends them. Logs the STAT line every minute, and when it is renewed (SIGUSR1) or
// tested again.
class Rngnet final : public RunningSource {
 public:
  Rngnet(std::string name, spec::Address address, std::size_t bytes, entropy::Claim claim,
         const SourceServices& services);
  ~Rngnet() override;

  void start() override;
  void wake() override {}
  void request_stop() override;
  bool join(Duration limit) override { return thread_.join(limit); }
  // The intake notices the new epoch by itself.
  void renew() override { retest(); }
  void retest() override;
  observe::SourceReport report() const override;

 private:
  void run();
  peers::RngnetReceiver* listen();

  const std::string name_;
  const spec::Address address_;
  const std::size_t bytes_;
  const SourceServices services_;
  entropy::Intake intake_;
  Waker waker_;
  std::atomic<bool> tell_now_{false};
  std::atomic<std::uint64_t> not_wanted_{0};
  std::atomic<std::uint64_t> outdated_{0};  // bytes that lay in the socket at a renewal
  mutable Mutex mutex_;                     // of the pointer
  std::unique_ptr<peers::RngnetReceiver> receiver_ GUARDED_BY(mutex_);
  SourceThread thread_;
};

}  // namespace qanat::sources
