#include "sources/entropykey/exclusive_line.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/processes.h"
#include "sources/device/serial_line.h"

namespace qanat::sources {
namespace {

bool is_line(const std::string& open_file, dev_t line) {
  std::error_code none;
  // Only what can be it: to look at a file on a server that is away would take for ever.
  const auto target = std::filesystem::read_symlink(open_file, none).string();
  struct stat info {};
  return target.starts_with("/dev/") && ::stat(open_file.c_str(), &info) == 0 &&
         S_ISCHR(info.st_mode) && info.st_rdev == line;
}

// "ekeyd (process 123)"; empty: nobody that this account can see.
std::string other_user_of(dev_t line) {
  for (const pid_t process : list_processes()) {
    if (process == ::getpid()) continue;
    const auto files = open_files_of(process);
    if (std::any_of(files.begin(), files.end(),
                    [&](const std::string& file) { return is_line(file, line); })) {
      return fmt::format("{} (process {})", name_of_process(process), process);
    }
  }
  return "";
}

}  // namespace

Result<void> ExclusiveLine::open(const std::string& path, unsigned baud) {
  close();
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
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
  if (const std::string other = other_user_of(info.st_rdev); !other.empty()) {
    return error(fmt::format("{} is held by {}; stop that first", path, other));
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
