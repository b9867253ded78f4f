// A thread for calls into a library that block for as long as a device, a daemon or a card likes.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/waker.h"

namespace qanat::sources {

// Used by one thread, which can be woken while it waits, and loses patience.
class LibraryThread {
 public:
  LibraryThread() = default;
  LibraryThread(const LibraryThread&) = delete;
  LibraryThread& operator=(const LibraryThread&) = delete;
  // Waits for nobody: a call that has not ended is left behind with its thread, which ends after
  // it.
  ~LibraryThread();

  // A call has been begun, and has not ended.
  bool busy() const;
  // Begins `call`, where none is going on, and waits for it as `wait` does. It may outlive
  // everybody here: what it uses it must own, or share. It is destroyed on the library's thread,
  // too, and throws nothing.
  Wake run(std::function<void()> call, const Waker& waker, Duration patience);
  // `ready`: none is going on any more. `woken` and `timeout`: it goes on.
  Wake wait(const Waker& waker, Duration patience);

 private:
  struct Desk;  // what both threads see
  static void work(const std::shared_ptr<Desk>& desk);

  std::shared_ptr<Desk> desk_;
  std::thread thread_;
};

}  // namespace qanat::sources
