// What fuzz targets of whole outlets and whole sources are driven by: a peer's script.
//
// A byte is said as it is, but for 0xff, which begins an order:
//   ff ff            the byte 0xff
//   ff 'r' n n byte  the byte, so many times (16 bits, the high byte first)
//   ff 'p'           a pause: what the other side says meanwhile is read
//   ff 'l' n         reads 16 * n bytes at most
//   ff 'h'           ends its half of the connection
//   ff 'x'           a reset, and another connection
//   ff ...           what the protocol knows (see the target); otherwise nothing
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <span>
#include <vector>

#include "base/files.h"
#include "fuzz.h"

namespace qanat::fuzz {

using Said = std::vector<std::uint8_t>;

class Script {
 public:
  explicit Script(Bytes bytes) : left_(bytes) {}
  bool over() const { return left_.empty(); }
  // 0 once it is over.
  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const std::uint8_t first = left_.front();
    left_ = left_.subspan(1);
    return first;
  }
  std::size_t number() {
    const std::size_t high = byte();
    return high << 8 | byte();
  }
  Bytes bytes(std::size_t most) {
    const Bytes taken = left_.first(std::min(most, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  // Adds what is to be said to `out`, up to the next order that is none of saying something: its
  // letter, or 0 at the end.
  std::uint8_t say(Said& out) {
    while (!over()) {
      const std::uint8_t first = byte();
      if (first != 0xff) {
        out.push_back(first);
        continue;
      }
      const std::uint8_t order = byte();
      if (order == 0xff) {
        out.push_back(order);
      } else if (order == 'r') {
        const std::size_t times = number();
        out.insert(out.end(), times, byte());
      } else {
        return order;
      }
    }
    return 0;
  }

 private:
  Bytes left_;
};

inline bool wait_ready(int fd, short what, int milliseconds) {
  pollfd ready{fd, what, 0};
  return ::poll(&ready, 1, milliseconds) == 1;
}

// Sends as much as the other side takes within a moment. False once it has hung up.
inline bool send_some(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN && wait_ready(fd, POLLOUT, 5)) {
      continue;
    } else {
      return errno == EAGAIN;
    }
  }
  return true;
}

// Adds what is there to `heard`, `most` bytes at most; false at the end of the stream.
inline bool receive_some(int fd, Said& heard, std::size_t most) {
  std::uint8_t piece[4096];
  while (most > 0) {
    const ssize_t got = ::recv(fd, piece, std::min(most, sizeof piece), MSG_DONTWAIT);
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN;
    heard.insert(heard.end(), piece, piece + got);
    most -= static_cast<std::size_t>(got);
  }
  return true;
}

// Closes with a reset: no port is kept waiting.
inline void reset(UniqueFd& fd) {
  const linger now{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd.reset();
}

}  // namespace qanat::fuzz
