#include "sources/file.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/powers.h"
#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {

Result<void> File::open(const Waker& /*stop*/) {
  fd_ = UniqueFd(open_file(path_, O_RDONLY | O_NONBLOCK));
  if (!fd_) return error(with_errno("cannot open " + path_, errno));
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0) return error(with_errno("cannot examine " + path_, errno));
  if (S_ISDIR(info.st_mode)) return error(path_ + " is a directory");
  origin_ = origin_of(info);
  is_fifo_ = !S_ISREG(info.st_mode);
  if (is_fifo_) {
    device_ = info.st_dev;
    inode_ = info.st_ino;
    return {};
  }
  if (info.st_dev != device_ || info.st_ino != inode_) {
    device_ = info.st_dev;
    inode_ = info.st_ino;
    position_ = 0;
  }
  if (info.st_size <= position_) {
    fd_.reset();
    return error(path_ + " has been read to its end");
  }
  ::lseek(fd_.get(), position_, SEEK_SET);
  return {};
}

Result<std::size_t> File::read(MutableBytes out, const Waker& waker) {
  for (;;) {
    if (is_fifo_ && wait_for(fd_.get(), POLLIN, waker, std::nullopt) == Wake::woken) {
      // Somebody may have put another in its place, to which others write now.
      struct stat info {};
      if (::stat(path_.c_str(), &info) == 0 && (info.st_dev != device_ || info.st_ino != inode_)) {
        return error(path_ + " is another one now");
      }
      return std::size_t{0};
    }
    const ssize_t n = ::read(fd_.get(), out.data(), out.size());
    if (n > 0) {
      position_ += n;
      return static_cast<std::size_t>(n);
    }
    if (n == 0) {
      return error(is_fifo_ ? path_ + ": its writer has closed it"
                            : path_ + " has been read to its end");
    }
    if (errno != EINTR && errno != EAGAIN) {
      return error(with_errno("cannot read " + path_, errno));
    }
  }
}

// A FIFO keeps what is in it while its writer has it open, whoever reads. Of a regular file a copy
// of this machine has the same rest: what it grows by is new.
bool File::renew() {
  struct stat info {};
  if (!is_fifo_ && ::fstat(fd_.get(), &info) == 0) {
    position_ = std::max(position_, ::lseek(fd_.get(), info.st_size, SEEK_SET));
  }
  int held = 0;
  if (!is_fifo_ || ::ioctl(fd_.get(), FIONREAD, &held) != 0) return true;
  SecretBytes gone(4096);
  while (held > 0) {
    const auto most = std::min(gone.size(), static_cast<std::size_t>(held));
    const ssize_t n = ::read(fd_.get(), gone.view().data(), most);
    if (n <= 0) return true;
    held -= static_cast<int>(n);
  }
  return true;
}

namespace {

SourcePlan read_file_source(const spec::Spec& spec, entropy::Claim usual) {
  return {.name = spec.text,
          .claim = spec::claim_of(spec, usual),
          .note =
              "a regular file is read once a start: put new bytes in it, or add credit=no, "
              "lest a restart counts the same bytes again",
          .path = spec.target,
          .make = [path = spec.target] { return std::make_unique<File>(path); }};
}

}  // namespace

extern const SourceType file_type{
    .name = "file",
    .target = "PATH",
    .usual = {4, true},
    .summary = "a FIFO, or a file that is read once",
    .read = read_file_source,
};

}  // namespace qanat::sources
