#include "peers/rngnet_receiver.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "entropy/block_tests.h"
#include "net/listen.h"

namespace qanat::peers {

namespace rngnet = wire::rngnet;

RngnetReceiver::RngnetReceiver(const spec::Address& address, std::size_t bytes)
    : fd_(net::listen_udp(address)), bytes_(bytes), buffer_(bytes + 1) {}

std::optional<MutableBytes> RngnetReceiver::receive(const Waker& waker, TimePoint end) {
  for (;;) {
    // One byte of room more than it may have: a longer one is seen to be longer.
    const ssize_t n = ::recv(fd_.get(), buffer_.view().data(), buffer_.size(), 0);
    if (n >= 0) {
      if (take(static_cast<std::size_t>(n))) return buffer_.view().first(bytes_);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      const MutexLock lock(mutex_);
      ++total_.recv_err;
    }
    const Duration left = std::max(end - clock_.now(), Duration::zero());
    if (wait_for(fd_.get(), POLLIN, waker, left) != Wake::ready) return std::nullopt;
  }
}

std::size_t RngnetReceiver::discard() {
  // More than a socket's buffer holds; who floods us does not keep us here.
  constexpr int most = 1 << 14;
  std::size_t gone = 0;
  for (int i = 0; i < most; ++i) {
    const ssize_t n = ::recv(fd_.get(), buffer_.view().data(), buffer_.size(), 0);
    if (n < 0 && errno != EINTR) break;
    gone += n > 0 ? static_cast<std::size_t>(n) : 0;
  }
  wipe(buffer_.view());
  return gone;
}

// Whether it is one of ours.
bool RngnetReceiver::take(std::size_t size) {
  const MutexLock lock(mutex_);
  if (size != bytes_) {
    ++total_.bad_size;
    return false;
  }
  ++total_.ok;
  const bool weak =
      entropy::nibble_chi_square(Bytes(buffer_.view()).first(size)) > rngnet::weak_limit;
  total_.weak += weak ? 1 : 0;
  return true;
}

rngnet::Counts RngnetReceiver::counts() const {
  const MutexLock lock(mutex_);
  return total_;
}

std::string RngnetReceiver::stat_line() {
  const MutexLock lock(mutex_);
  const rngnet::Counts recent{total_.ok - told_.ok, total_.weak - told_.weak,
                              total_.recv_err - told_.recv_err, total_.bad_size - told_.bad_size};
  told_ = total_;
  return rngnet::stat_line(recent, total_);
}

}  // namespace qanat::peers
