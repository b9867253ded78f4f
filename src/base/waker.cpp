#include "base/waker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace qanat {

Waker::Waker() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!fd_) throw Failure(with_errno("eventfd", errno));
}

void Waker::wake() const noexcept {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the sleeper wakes anyway.
  [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof one);
}

void Waker::clear() const noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(fd_.get(), &count, sizeof count);
}

bool Waker::is_woken() const { return wait_for(-1, 0, *this, Duration::zero()) == Wake::woken; }

Wake wait_for(int fd, short events, const Waker& waker, std::optional<Duration> timeout) {
  const auto end =
      timeout ? std::optional(std::chrono::steady_clock::now() + *timeout) : std::nullopt;
  for (;;) {
    int ms = -1;
    if (end) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(*end - std::chrono::steady_clock::now());
      ms = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30));
    }
    std::array<pollfd, 2> polled{{{waker.fd(), POLLIN, 0}, {fd, events, 0}}};
    const int n = ::poll(polled.data(), fd >= 0 ? 2 : 1, ms);
    if (n < 0 && errno != EINTR) throw Failure(with_errno("poll", errno));
    if (n < 0) continue;
    if ((polled[0].revents & POLLIN) != 0) return Wake::woken;
    if (n > 0) return Wake::ready;
    if (end && std::chrono::steady_clock::now() >= *end) return Wake::timeout;
  }
}

}  // namespace qanat
