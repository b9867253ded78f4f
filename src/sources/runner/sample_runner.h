// Runs a Source: a thread that reads when bytes are wanted, and sleeps when not.
#pragma once

#include <atomic>
#include <memory>

#include "base/backoff.h"
#include "sources/runner/running_source.h"
#include "sources/runner/source_thread.h"
#include "sources/source.h"

namespace qanat::sources {

class SampleRunner final : public RunningSource {
 public:
  // `name` as configured.
  SampleRunner(std::string name, std::unique_ptr<Source> source, entropy::Claim claim,
               const SourceServices& services);
  ~SampleRunner() override;

  void start() override;
  void wake() override { waker_.wake(); }
  void request_stop() override;
  bool join(Duration limit) override { return thread_.join(limit); }
  // The intake notices the new epoch by itself.
  void renew() override { retest(); }
  void retest() override;
  observe::SourceReport report() const override;

 private:
  void run();
  bool ensure_open();
  void check_origin();
  void await_return();
  void sleep_until_needed();
  void read_some();
  void empty_buffers();
  void lose(const Error& why);

  const std::string name_;
  const std::unique_ptr<Source> source_;
  const SourceServices services_;
  entropy::Intake intake_;
  Waker waker_;
  Waker stop_waker_;  // woken by a stop alone
  Backoff absence_;
  std::atomic<bool> look_now_{false};
  bool open_ = false;
  entropy::Epoch epoch_;    // of the buffers that are read
  bool absent_ = false;     // could not be opened, or was lost
  bool lost_ = false;       // and has given nothing since
  bool kept_open_ = false;  // at the last retry after a failure
  bool withheld_ = false;   // credited 0, as it is counted elsewhere
  bool doubted_ = false;    // it is credited although it is seen to be, and that has been said
  TimePoint next_look_{};   // at what it reads from
  unsigned looks_ = 0;      // since it was opened
  SecretBytes buffer_;
  SourceThread thread_;
};

}  // namespace qanat::sources
