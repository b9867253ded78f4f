#include "sources/token/library_thread.h"

#include <atomic>
#include <utility>

namespace qanat::sources {

// `busy` hands the rest over: set by the owner with a call, reset by the library's thread after it.
struct LibraryThread::Desk {
  std::atomic<bool> busy{false};
  std::atomic<bool> over{false};
  std::function<void()> call;
  Waker begun;
  Waker ended;
};

void LibraryThread::work(const std::shared_ptr<Desk>& desk) {
  for (;;) {
    if (desk->busy.load(std::memory_order_acquire)) {
      desk->call();
      desk->call = {};
      desk->busy.store(false, std::memory_order_release);
      desk->ended.wake();
    }
    if (desk->over.load()) return;
    wait_for(-1, 0, desk->begun, std::nullopt);
    desk->begun.clear();
  }
}

LibraryThread::~LibraryThread() {
  if (!thread_.joinable()) return;
  desk_->over.store(true);
  desk_->begun.wake();
  busy() ? thread_.detach() : thread_.join();
}

bool LibraryThread::busy() const { return desk_ && desk_->busy.load(std::memory_order_acquire); }

Wake LibraryThread::run(std::function<void()> call, const Waker& waker, Duration patience) {
  if (!thread_.joinable()) {
    desk_ = std::make_shared<Desk>();
    thread_ = std::thread([desk = desk_] { work(desk); });
  }
  desk_->call = std::move(call);
  desk_->ended.clear();
  desk_->busy.store(true, std::memory_order_release);
  desk_->begun.wake();
  return wait(waker, patience);
}

Wake LibraryThread::wait(const Waker& waker, Duration patience) {
  if (!busy()) return Wake::ready;
  const Wake wake = wait_for(desk_->ended.fd(), POLLIN, waker, patience);
  // It is over by then; seeing that hands over what the call has left.
  if (wake == Wake::ready) desk_->busy.wait(true, std::memory_order_acquire);
  return wake;
}

}  // namespace qanat::sources
