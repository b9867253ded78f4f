// Runs a Source: a thread that reads when bytes are wanted, and sleeps when not.
#pragma once

#include <atomic>
#include <future>
#include <memory>
#include <thread>

#include "sources/running_source.h"
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
  bool join(Duration limit) override;
  void retest() override;
  SourceReport report() const override;

 private:
  void run();
  bool ensure_open();
  void pause(Duration duration);
  void sleep_until_needed();
  void read_some();
  void lose(const std::string& why);
  bool must_read() const;

  const std::string name_;
  const std::unique_ptr<Source> source_;
  const SourceServices services_;
  entropy::Intake intake_;
  Waker waker_;
  std::atomic<bool> stopping_{false};
  bool open_ = false;
  TimePoint last_read_{};
  SecretBytes buffer_;
  mutable std::mutex detail_mutex_;
  std::string detail_;
  std::promise<void> ended_promise_;
  std::future<void> ended_;
  std::thread thread_;
};

}  // namespace qanat::sources
