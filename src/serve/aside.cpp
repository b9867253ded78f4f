#include "serve/aside.h"

#include <utility>

namespace qanat::serve {

Aside::Aside() : thread_([this] { run(); }) {}

Aside::~Aside() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Aside::begin(std::function<void()> work) {
  {
    const MutexLock lock(mutex_);
    work_ = std::move(work);
    busy_ = true;
  }
  changed_.notify_one();
}

bool Aside::busy() const {
  const MutexLock lock(mutex_);
  return busy_;
}

void Aside::run() {
  for (;;) {
    std::function<void()> work;
    {
      const MutexLock lock(mutex_);
      while (!work_ && !ending_) changed_.wait(mutex_);
      if (!work_) return;
      work = std::exchange(work_, nullptr);
    }
    work();
    work = nullptr;
    const MutexLock lock(mutex_);
    busy_ = false;
  }
}

}  // namespace qanat::serve
