#include "sources/egd.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "net/connect.h"
#include "wire/egd.h"

namespace qanat::sources {

using namespace std::chrono_literals;

Result<void> Egd::open() {
  // There is nobody to wake: the runner stops a source by its own thread.
  const Waker never;
  auto fd = path_.empty() ? net::connect_tcp(address_, never, 10s) : net::connect_unix(path_);
  if (!fd) return tl::unexpected(fd.error());
  fd_ = std::move(*fd);
  expected_ = 0;
  return {};
}

void Egd::close() { fd_.reset(); }

Result<std::size_t> Egd::read(MutableBytes out, const Waker& waker) {
  if (expected_ == 0) {
    const auto command = wire::egd::encode_read(wire::egd::Verb::wait, wire::egd::most_bytes);
    if (::send(fd_.get(), command.data(), command.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(command.size())) {
      return error(with_errno(name() + " takes no questions", errno));
    }
    expected_ = wire::egd::most_bytes;
  }
  for (;;) {
    if (wait_for(fd_.get(), POLLIN, waker, std::nullopt) == Wake::woken) return std::size_t{0};
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
