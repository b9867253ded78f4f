// A FIFO that gives random bytes to whoever reads it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <thread>

#include "base/backoff.h"
#include "base/mutex.h"
#include "serve/thread_draw.h"

namespace qanat::outlets {

// Made with mode 0600 when it is not there. As fast as it is read: its thread sleeps while nobody
// reads. What the pipe holds when a reader leaves is gone: at most 4 KiB.
//
// The writing end is open all the time, so that no reader is kept waiting in open(2), and neither
// are we; inotify tells when one comes, and when the file at the path is another one or none. What
// goes wrong (no descriptor free, another kind of file) is tried again, at most a minute later.
class Fifo final : public serve::Outlet {
 public:
  Fifo(std::string name, std::string path, spec::Grade grade, const share::Terms& terms,
       const serve::OutletServices& services);
  ~Fifo() override;

  void start() override;
  void drain() override { stop(); }
  bool idle() const override { return true; }
  void stop() override;
  void renew() override { draw_.renew(); }
  observe::OutletReport report() const override;

 private:
  void run();
  Result<void> open();
  void close();
  bool is_ours(int fd) const;
  bool still_there() const;  // whether the path names what we have open
  void serve();
  void write_piece();
  void reader_left();
  short look();
  void sleep(std::optional<short> events, Duration limit);
  void rest(Duration pause);
  void await_another();
  void tell(const std::string& problem);

  const std::string name_;
  const std::string path_;
  const serve::OutletServices& services_;
  serve::ThreadDraw draw_;
  Backoff backoff_;

  // Of the thread.
  UniqueFd watch_;   // inotify, of the file that `writer_` is
  UniqueFd writer_;  // never blocks
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool changed_ = false;  // the watch has told something
  bool written_ = false;  // something, since the pipe was last empty for certain

  std::atomic<std::uint64_t> readers_{0};
  mutable Mutex mutex_;
  std::string problem_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace qanat::outlets
