// A FIFO that gives random bytes to whoever reads it.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>

#include "base/waker.h"
#include "outlets/outlet.h"
#include "share/seeded_drbg.h"
#include "wire/http_api.h"

namespace qanat::outlets {

// Made with mode 0600 when it is not there. As fast as it is read: its thread sleeps while nobody
// reads. What the pipe holds when a reader leaves is gone: at most 4 KiB.
class Fifo final : public Outlet {
 public:
  Fifo(std::string name, std::string path, wire::Grade grade, const share::Terms& terms,
       const OutletServices& services);
  ~Fifo() override;

  void start() override;
  void drain() override { stop(); }
  bool idle() const override { return true; }
  void stop() override;
  OutletReport report() const override;

 private:
  void run();
  UniqueFd open_when_read();
  void serve_reader(int fd);
  bool write_all(int fd, Bytes bytes);
  std::size_t fill(MutableBytes out, share::Withdrawal& withdrawal);

  const std::string name_;
  const std::string path_;
  const wire::Grade grade_;
  const OutletServices& services_;
  const share::Flow flow_;
  std::shared_ptr<share::SeededDrbg> drbg_;  // of grade drbg: the thread's own
  // Shared with callbacks that may come after the outlet has ended.
  const std::shared_ptr<Waker> waker_ = std::make_shared<Waker>();
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> readers_{0};
  std::atomic<std::uint64_t> deliveries_{0};
  std::atomic<std::uint64_t> full_bytes_{0};
  std::atomic<std::uint64_t> drbg_bytes_{0};
  std::thread thread_;
};

}  // namespace qanat::outlets
