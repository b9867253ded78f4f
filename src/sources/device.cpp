#include "sources/device.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/quantity.h"
#include "sources/runner/skipping.h"
#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {
namespace {

struct Speed {
  unsigned baud;
  speed_t code;
};
constexpr std::array speeds{
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

// Such a device (hwrng) has no poll, and answers a read only when all of it is there: in small
// pieces, so that a stop is never waited for long. 64 bytes are 7 ms at 10 kB/s.
constexpr std::size_t blocking_piece = 64;

}  // namespace

bool known_baud(unsigned baud) { return find_speed(baud) != nullptr; }

Result<void> Device::open(const Waker& /*stop*/) {
  fd_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (!fd_) return error(with_errno("cannot open " + path_, errno));
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0 || !S_ISCHR(info.st_mode)) {
    fd_.reset();
    return error(path_ + " is not a character device; for a file or FIFO use file:" + path_);
  }
  origin_ = origin_of(info);
  if (::isatty(fd_.get()) == 1) {
    auto ready = set_up_line();
    if (!ready) fd_.reset();
    return ready;
  }
  if (baud_) {
    fd_.reset();
    return error(path_ + " is not a serial line, so baud= does nothing there; leave it out");
  }
  return {};
}

Result<void> Device::set_up_line() {
  termios line{};
  if (::tcgetattr(fd_.get(), &line) != 0) {
    return error(with_errno("cannot read the line settings of " + path_, errno));
  }
  ::cfmakeraw(&line);  // no echo, no translation, 8 bits, no parity
  line.c_cflag &= ~static_cast<tcflag_t>(CSTOPB | CRTSCTS);
  line.c_cflag |= CLOCAL | CREAD;
  line.c_cc[VMIN] = 1;
  line.c_cc[VTIME] = 0;
  if (baud_) {
    const speed_t code = find_speed(*baud_)->code;
    ::cfsetispeed(&line, code);
    ::cfsetospeed(&line, code);
  }
  if (::tcsetattr(fd_.get(), TCSAFLUSH, &line) != 0) {
    return error(with_errno("cannot set the line " + path_, errno));
  }
  return {};
}

Result<std::size_t> Device::read(MutableBytes out, const Waker& waker) {
  for (;;) {
    if (wait_for(fd_.get(), POLLIN, waker, std::nullopt) == Wake::woken) return std::size_t{0};
    const ssize_t n = ::read(fd_.get(), out.data(), out.size());
    if (n > 0) return static_cast<std::size_t>(n);
    if (n == 0) return error(path_ + " has ended (unplugged?)");
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return error(with_errno("cannot read " + path_, errno));
    // poll() said yes and read() said not yet: a device without poll. Block in small reads.
    ::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) & ~O_NONBLOCK);
    out = out.first(std::min(out.size(), blocking_piece));
  }
}

namespace {

std::optional<unsigned> baud_of(const spec::Spec& spec) {
  const auto text = spec.option("baud");
  if (!text) return std::nullopt;
  const auto baud = parse_number<unsigned>(*text);
  if (!baud || !known_baud(*baud)) {
    throw Failure(
        fmt::format("{}: baud={} is not a line speed; 115200 is usual", spec.text, *text));
  }
  return baud;
}

SourcePlan plan(const std::string& path, const spec::Spec& spec, entropy::Claim usual) {
  const std::optional<unsigned> baud = baud_of(spec);
  return {.name = spec.text,
          .claim = spec::claim_of(spec, usual),
          .path = path,
          .make = skipping(spec, [path, baud] { return std::make_unique<Device>(path, baud); })};
}

SourcePlan read_device(const spec::Spec& spec, entropy::Claim usual) {
  return plan(spec.target, spec, usual);
}

constexpr const char* hwrng_path = "/dev/hwrng";

SourcePlan read_hwrng(const spec::Spec& spec, entropy::Claim usual) {
  return plan(spec.target.empty() ? hwrng_path : spec.target, spec, usual);
}

}  // namespace

// Unknown hardware: half.
extern const SourceType device_type{
    .name = "device",
    .target = "PATH",
    .usual = {4, true},
    .options = "baud skip",
    .summary = "a character device or serial line",
    .read = read_device,
};
// The kernel's hwrng interface: quality is the driver's word (1024 of 1024 for virtio-rng).
extern const SourceType hwrng_type{
    .name = "hwrng",
    .target = "[PATH]",
    .usual = {7, true},
    .options = "skip",
    .summary = "the kernel's hardware RNG, /dev/hwrng",
    .read = read_hwrng,
    .available = [] { return by_path(hwrng_path); },
    .by_default = true,
};

}  // namespace qanat::sources
