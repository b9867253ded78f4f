// Outlets that deliver by time and by event: the kernel's pool, a boot seed,
// datagrams, standard output.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <random>

#include "base/backoff.h"
#include "base/mutex.h"
#include "base/waker.h"
#include "net/kept_loop.h"
#include "serve/aside.h"
#include "serve/delivery.h"
#include "serve/outlet.h"
#include "serve/schedule.h"

namespace qanat::serve {

// Delivers at the start, after each interval, and on feed_now: `bytes` of its grade, all at once.
// Lives on the first I/O thread, and delivers on one of its own: a disk may take its time, and who
// reads a pipe, too.
class ScheduledOutlet : public Outlet {
 public:
  ScheduledOutlet(std::string name, Schedule schedule, const OutletServices& services);
  ~ScheduledOutlet() override;

  void start() override;
  void drain() override;
  bool idle() const override { return !loop_.running(); }
  void stop() override;
  void feed_now() override;
  observe::OutletReport report() const override;

 protected:
  // Before the first delivery, on the thread that starts the outlet.
  virtual void prepare() {}
  // An Error is tried again at the next time. On the outlet's own thread. A delivery that may wait
  // for somebody ends when `stop` is woken; what does not is left behind.
  virtual Result<void> deliver(Bytes random, const Waker& stop) = 0;
  const std::string& name() const { return name_; }
  spec::Grade grade() const { return schedule_.grade; }
  const OutletServices& services() const { return services_; }
  // Counts what came of a delivery of `bytes` of grade full that was made beside the schedule. Any
  // thread; true when it arrived.
  bool delivered_beside(const Result<void>& delivered, std::size_t bytes);
  // What of the last delivery somebody counts as entropy, in bits; nullopt where nobody does.
  virtual std::optional<std::size_t> credited_bits() const { return std::nullopt; }
  // What the status says beside the times.
  void set_note(std::string note);

 private:
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<bool> deliver_once();
  boost::asio::awaitable<Delivery> draw(MutableBytes out);
  boost::asio::awaitable<bool> deliver_aside(SecretBytes& random);
  bool settle(const Result<void>& delivered, std::size_t bytes);
  void failed(const std::string& why);
  Duration next_gap();
  void set_next(std::optional<TimePoint> due);

  const std::string name_;
  const Schedule schedule_;
  const OutletServices& services_;
  const share::Flow flow_;
  std::shared_ptr<boost::asio::steady_timer> timer_;
  std::mt19937_64 random_;
  Backoff retry_;
  net::KeptLoop loop_;
  Waker stop_waker_;
  bool started_ = false;
  bool stopping_ = false;
  bool now_ = false;

  DeliveryCounters counters_;
  observe::Latency latency_;  // from when it was due to its end
  std::atomic<bool> in_line_{false};
  mutable Mutex report_mutex_;
  std::uint64_t failed_ GUARDED_BY(report_mutex_) = 0;
  TimePoint last_ GUARDED_BY(report_mutex_){};
  std::optional<TimePoint> next_ GUARDED_BY(report_mutex_);  // while it waits for it
  std::string problem_ GUARDED_BY(report_mutex_);
  std::string note_ GUARDED_BY(report_mutex_);

  Aside aside_;  // the first to end: what it does is this outlet's
};

}  // namespace qanat::serve
