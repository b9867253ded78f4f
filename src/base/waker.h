// Lets one thread sleep in poll() for a descriptor, for time, and for a word from another thread.
#pragma once

#include <poll.h>

#include <optional>

#include "base/clock.h"
#include "base/files.h"

namespace qanat {

// An eventfd. `wake` may be called from any thread, and from a signal handler.
class Waker {
 public:
  Waker();
  void wake() const noexcept;
  // Forgets earlier wakes.
  void clear() const noexcept;
  // Whether it was woken since; does not wait.
  bool is_woken() const;
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

enum class Wake { ready, woken, timeout };

// Sleeps until `fd` has one of `events` (or an error, or hangs up), `waker` was woken, or `timeout`
// passed (none: for ever). fd -1 waits for the other two. The waker is not cleared.
Wake wait_for(int fd, short events, const Waker& waker, std::optional<Duration> timeout);

}  // namespace qanat
