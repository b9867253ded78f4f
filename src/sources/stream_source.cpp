#include "sources/stream_source.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "net/connect.h"

namespace qanat::sources {

using namespace std::chrono_literals;

Result<void> StreamSource::open(const Waker& stop) {
  auto fd = path_.empty() ? net::connect_tcp(address_, stop, 10s) : net::connect_unix(path_);
  if (!fd) return tl::unexpected(fd.error());
  fd_ = std::move(*fd);
  expected_ = 0;
  deadline_.reset();
  return {};
}

Result<std::size_t> StreamSource::read(MutableBytes out, const Waker& waker) {
  if (expected_ == 0) {
    const Question asked = question();
    if (::send(fd_.get(), asked.bytes.data(), asked.bytes.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(asked.bytes.size())) {
      return error(with_errno(name() + " takes no questions", errno));
    }
    expected_ = asked.wanted;
  }
  for (;;) {
    std::optional<Duration> left;
    if (deadline_) left = std::max(*deadline_ - Clock().now(), Duration::zero());
    const Wake wake = wait_for(fd_.get(), POLLIN, waker, left);
    if (wake == Wake::woken) return std::size_t{0};
    if (wake == Wake::timeout || (deadline_ && Clock().now() >= *deadline_)) {
      return error(fmt::format("{} is too slow: it took more than {:.0f} s for 512 bytes", name(),
                               seconds(peer_patience)));
    }
    const ssize_t n = ::recv(fd_.get(), out.data(), std::min(out.size(), expected_), 0);
    if (n > 0) {
      expected_ -= static_cast<std::size_t>(n);
      return static_cast<std::size_t>(n);
    }
    if (n == 0) return error(name() + " closed the connection");
    if (errno != EINTR && errno != EAGAIN) {
      return error(with_errno("cannot read from " + name(), errno));
    }
  }
}

}  // namespace qanat::sources
