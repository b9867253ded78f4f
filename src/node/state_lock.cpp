#include "node/state_lock.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "base/bytes.h"
#include "base/log.h"
#include "crypto/blake2b.h"

namespace qanat::node {

namespace {

struct Name {
  sockaddr_un address{};
  socklen_t size = 0;
};

// The directory above is known by its number, so that two containers with a path in common, but not
// a directory, do not meet. What is mounted cannot be taken away, and is known by its own: volumes
// of two containers, whose root file systems may be the same.
std::optional<Name> place_of(const std::string& directory) {
  std::error_code problem;
  std::filesystem::path path =
      std::filesystem::weakly_canonical(std::filesystem::absolute(directory, problem), problem);
  if (!path.has_filename()) path = path.parent_path();
  struct statx self {};
  const bool mounted = ::statx(AT_FDCWD, path.c_str(), 0, STATX_INO, &self) == 0 &&
                       (self.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  struct stat known {};
  const std::filesystem::path by = mounted ? path : path.parent_path();
  if (problem || ::stat(by.c_str(), &known) != 0) return std::nullopt;
  std::array<std::uint8_t, 16> digest{};
  crypto::blake2b({},
                  {as_bytes("qanat state directory"),
                   as_bytes(fmt::format("{} {} ", known.st_dev, known.st_ino)),
                   as_bytes(mounted ? "" : path.filename().string())},
                  digest);
  const std::string text = "qanat-state-" + to_hex(digest);
  Name name;
  name.address.sun_family = AF_UNIX;
  std::copy(text.begin(), text.end(), std::begin(name.address.sun_path) + 1);
  name.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return name;
}

UniqueFd make_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// None when another has it.
Result<UniqueFd> lock_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return error(with_errno("cannot open " + path, errno));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK) return UniqueFd();
  return error(with_errno("cannot lock " + path, errno));
}

Failure taken(const std::string& directory, std::optional<pid_t> by) {
  return Failure(
      fmt::format("another node runs with the state directory {}{}; stop it, or give --state DIR",
                  directory, by ? fmt::format(" (pid {})", *by) : ""));
}

}  // namespace

std::optional<pid_t> StateLock::holder(const std::string& directory) {
  const auto name = place_of(directory);
  const UniqueFd fd = make_socket();
  if (!name || !fd ||
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name->address), name->size) != 0) {
    return std::nullopt;
  }
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return std::nullopt;
  if (who.uid != 0 && who.uid != ::geteuid()) return std::nullopt;
  return who.pid;
}

Result<StateLock> StateLock::take(const std::string& directory) {
  if (const auto by = holder(directory)) throw taken(directory, by);
  StateLock lock(directory);
  auto file = lock_file(lock.path());
  if (!file) return tl::unexpected(file.error());
  if (!*file) throw taken(directory, std::nullopt);
  lock.file_ = std::move(*file);
  const auto name = place_of(directory);
  lock.place_ = make_socket();
  if (!name || !lock.place_ ||
      ::bind(lock.place_.get(), reinterpret_cast<const sockaddr*>(&name->address), name->size) !=
          0 ||
      ::listen(lock.place_.get(), SOMAXCONN) != 0) {
    if (const auto by = holder(directory)) throw taken(directory, by);
    log_warning("{}; a second node is kept out by {} alone",
                with_errno("cannot name the place of " + directory, errno), lock.path());
    lock.place_.reset();
  }
  return lock;
}

bool StateLock::in_place() const {
  struct stat ours {};
  struct stat there {};
  return ::fstat(file_.get(), &ours) == 0 && ::stat(path().c_str(), &there) == 0 &&
         ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

Result<void> StateLock::take_again() {
  auto file = lock_file(path());
  if (!file) return tl::unexpected(file.error());
  if (!*file) return error("another node has taken " + directory_);
  file_ = std::move(*file);
  return {};
}

}  // namespace qanat::node
