#include "sources/device/serial_line.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace qanat::sources {

using namespace std::chrono_literals;

namespace {

struct Speed {
  unsigned baud;
  speed_t code;
};
constexpr std::array speeds{
    Speed{110, B110},         Speed{300, B300},         Speed{600, B600},
    Speed{1200, B1200},       Speed{2400, B2400},       Speed{4800, B4800},
    Speed{9600, B9600},       Speed{19200, B19200},     Speed{38400, B38400},
    Speed{57600, B57600},     Speed{115200, B115200},   Speed{230400, B230400},
    Speed{460800, B460800},   Speed{500000, B500000},   Speed{576000, B576000},
    Speed{921600, B921600},   Speed{1000000, B1000000}, Speed{1500000, B1500000},
    Speed{2000000, B2000000}, Speed{3000000, B3000000}, Speed{4000000, B4000000}};

const Speed* find_speed(unsigned baud) {
  const auto* const found = std::find_if(speeds.begin(), speeds.end(),
                                         [baud](const Speed& speed) { return speed.baud == baud; });
  return found == speeds.end() ? nullptr : found;
}

// Changes what `change` changes of the line's settings.
template <typename Change>
Result<void> change_line(int fd, const std::string& path, Change change) {
  termios line{};
  if (::tcgetattr(fd, &line) != 0) {
    return error(with_errno("cannot read the line settings of " + path, errno));
  }
  change(line);
  // At once: TCSADRAIN and TCSAFLUSH wait, without an end, for a device that takes nothing.
  if (::tcsetattr(fd, TCSANOW, &line) != 0) {
    return error(with_errno("cannot set the line " + path, errno));
  }
  return {};
}

void put_speed(termios& line, unsigned baud) {
  const speed_t code = find_speed(baud)->code;
  ::cfsetispeed(&line, code);
  ::cfsetospeed(&line, code);
}

}  // namespace

bool known_baud(unsigned baud) { return find_speed(baud) != nullptr; }

Result<void> set_raw_line(int fd, const std::string& path, std::optional<unsigned> baud) {
  ::tcflush(fd, TCOFLUSH);
  auto set = change_line(fd, path, [&](termios& line) {
    ::cfmakeraw(&line);  // no echo, no translation, 8 bits, no parity
    line.c_cflag &= ~static_cast<tcflag_t>(CSTOPB | CRTSCTS | PARODD);
    line.c_cflag |= CLOCAL | CREAD | HUPCL;
    line.c_cc[VMIN] = 1;
    line.c_cc[VTIME] = 0;
    if (baud) put_speed(line, *baud);
  });
  // What came before was read with other settings.
  ::tcflush(fd, TCIFLUSH);
  return set;
}

Result<void> set_speed(int fd, const std::string& path, unsigned baud) {
  return change_line(fd, path, [&](termios& line) { put_speed(line, baud); });
}

Result<void> set_parity(int fd, const std::string& path, Parity parity) {
  return change_line(fd, path, [&](termios& line) {
    line.c_cflag &= ~static_cast<tcflag_t>(PARENB | PARODD);
    if (parity != Parity::none) line.c_cflag |= PARENB;
    if (parity == Parity::odd) line.c_cflag |= PARODD;
  });
}

Result<void> tell(int fd, const std::string& path, std::string_view text, const Waker& stop,
                  Duration limit) {
  const TimePoint end = Clock().now() + limit;
  while (!text.empty()) {
    const Duration left = end - Clock().now();
    const Wake wake = wait_for(fd, POLLOUT, stop, std::max(left, Duration::zero()));
    if (wake == Wake::woken) return interrupted();
    const ssize_t n = wake == Wake::ready ? ::write(fd, text.data(), text.size()) : 0;
    if (n > 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (n < 0 && errno != EINTR && errno != EAGAIN) {
      return error(with_errno("cannot write to " + path, errno));
    } else if (left <= Duration::zero()) {
      return error(fmt::format("{} takes no commands: it is another device, or it hangs", path));
    }
  }
  return {};
}

void tell_and_leave(int fd, std::string_view text, Duration limit) {
  const TimePoint end = Clock().now() + limit;
  const Waker never;
  // What it does not take is not worth an error: it is being left.
  if (!text.empty() && ::write(fd, text.data(), text.size()) < 0) return;
  int pending = 0;
  while (::ioctl(fd, TIOCOUTQ, &pending) == 0 && pending > 0) {
    if (Clock().now() >= end) break;
    wait_for(-1, 0, never, 5ms);  // no event tells that a line has sent all
  }
  if (pending > 0) ::tcflush(fd, TCOFLUSH);
}

}  // namespace qanat::sources
