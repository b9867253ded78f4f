// A FIFO that gives random bytes to whoever reads it.
#pragma once

#include <atomic>
#include <thread>

#include "outlets/thread_draw.h"

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
  void renew() override { draw_.renew(); }
  OutletReport report() const override;

 private:
  void run();
  UniqueFd open_when_read();
  void serve_reader(int fd);
  bool write_all(int fd, Bytes bytes);

  const std::string name_;
  const std::string path_;
  const OutletServices& services_;
  ThreadDraw draw_;
  std::atomic<std::uint64_t> readers_{0};
  std::thread thread_;
};

}  // namespace qanat::outlets
