// A thread for what may take its time, beside the I/O thread that waits for it.
#pragma once

#include <condition_variable>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace qanat::serve {

// One piece of work at a time. Its end waits for the work that is under way.
class Aside {
 public:
  Aside();
  ~Aside();
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;

  // `work` must let no exception out. Precondition: not busy.
  void begin(std::function<void()> work) EXCLUDES(mutex_);
  // From any thread.
  bool busy() const EXCLUDES(mutex_);

 private:
  void run() EXCLUDES(mutex_);

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::function<void()> work_ GUARDED_BY(mutex_);
  bool busy_ GUARDED_BY(mutex_) = false;
  bool ending_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace qanat::serve
