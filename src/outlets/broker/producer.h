// Delivers to somebody else's Entropy Broker, as one of its producers. docs/protocols/broker.md.
#pragma once

#include <atomic>
#include <thread>

#include "base/mutex.h"
#include "peers/broker_link.h"
#include "serve/thread_draw.h"

namespace qanat::outlets {

// As much as the broker wants and our share allows, on a thread of its own.
class BrokerProducer final : public serve::Outlet {
 public:
  BrokerProducer(std::string name, wire::broker::Account account, spec::Grade grade,
                 const share::Terms& terms, const serve::OutletServices& services);
  ~BrokerProducer() override;

  // Throws Failure when the password cannot be read. The broker may be away.
  void start() override;
  void drain() override { stop(); }
  bool idle() const override { return true; }
  void stop() override;
  void renew() override { draw_.renew(); }
  observe::OutletReport report() const override;

 private:
  void run();
  Result<void> serve(peers::BrokerLink& link);
  void pause(Duration duration);
  void tell(const std::string& problem);

  const std::string name_;
  const wire::broker::Account account_;
  const serve::OutletServices& services_;
  serve::ThreadDraw draw_;
  wire::broker::User user_;
  Waker stop_waker_;  // of the link, beside that of the draw
  std::atomic<std::uint64_t> connected_{0};
  std::atomic<std::uint64_t> not_wanted_{0};
  mutable Mutex mutex_;
  std::string problem_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace qanat::outlets
