#include "sources/entropykey/exclusive_line.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "base/powers.h"
#include "base/processes.h"
#include "sources/device/serial_line.h"

namespace qanat::sources {
Result<void> ExclusiveLine::open(const std::string& path, unsigned baud) {
  close();
  UniqueFd fd(open_file(path, O_RDWR | O_NONBLOCK));
  if (!fd && errno == EBUSY) {
    return error(path + " is held by another program (ekeyd, a running node?); stop that first");
  }
  if (!fd) return error(with_errno("cannot open " + path, errno));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISCHR(info.st_mode) || ::isatty(fd.get()) != 1) {
    return error(path + " is not a serial line");
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return error(path +
                 " is held by another program of qanat's (a running node?); stop that first");
  }
  if (const auto other = find_holder(std::span(&info.st_rdev, 1), 0)) {
    return error(fmt::format("{} is held by {} (process {}); stop that first", path, other->name,
                             other->process));
  }
  if (auto ready = set_raw_line(fd.get(), path, baud); !ready) return ready;
  // Of those without power over it; not an error where a line has no such thing.
  (void)::ioctl(fd.get(), TIOCEXCL);
  fd_ = std::move(fd);
  path_ = path;
  origin_ = origin_of(info);
  return {};
}

void ExclusiveLine::close() {
  // It would outlive us where others have the line open.
  if (fd_) (void)::ioctl(fd_.get(), TIOCNXCL);
  fd_.reset();
  origin_.reset();
}

Result<std::size_t> ExclusiveLine::read(MutableBytes out) const {
  const ssize_t n = ::read(fd_.get(), out.data(), out.size());
  if (n > 0) return static_cast<std::size_t>(n);
  if (n == 0) return error(path_ + " has ended (unplugged?)");
  if (errno == EAGAIN || errno == EINTR) return std::size_t{0};
  return error(with_errno("cannot read " + path_ + " (unplugged?)", errno));
}

Result<std::size_t> ExclusiveLine::write(std::string_view text) const {
  const ssize_t n = ::write(fd_.get(), text.data(), text.size());
  if (n >= 0) return static_cast<std::size_t>(n);
  if (errno == EAGAIN || errno == EINTR) return std::size_t{0};
  return error(with_errno("cannot write to " + path_ + " (unplugged?)", errno));
}

}  // namespace qanat::sources
