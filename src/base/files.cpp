#include "base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>

#include "base/powers.h"

namespace qanat {
namespace {

// A temporary of NAME is ".NAME.qanat-PROCESS-NUMBER": nobody else's file is called so. It is
// locked (flock) while it is written.
constexpr std::string_view temporary_mark = ".qanat-";

std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> number{0};
  return fmt::format("{}/.{}{}{}-{}", directory_of(path), name_of(path), temporary_mark, ::getpid(),
                     ++number);
}

bool is_temporary(std::string_view file, std::string_view name) {
  if (!file.starts_with('.')) return false;
  const auto mark = file.rfind(temporary_mark);
  return mark != std::string_view::npos && (name.empty() || file.substr(1, mark - 1) == name);
}

// A file that is being written: without a name where that can be, or under its temporary one.
struct Draft {
  UniqueFd fd;
  std::string name;
  bool named = false;
};

Result<Draft> open_draft(const std::string& path) {
  Draft draft{UniqueFd(::open(directory_of(path).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)),
              temporary_name(path)};
  // The name that it is to get comes from here.
  if (draft.fd && ::access("/proc/self/fd", X_OK) != 0) draft.fd.reset();
  if (!draft.fd) {
    draft.named = true;
    draft.fd = UniqueFd(::open(draft.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  }
  if (!draft.fd) return error(with_errno("cannot write " + path, errno));
  (void)::flock(draft.fd.get(), LOCK_EX | LOCK_NB);
  return draft;
}

Result<void> give_name(Draft& draft, const std::string& path) {
  if (draft.named) return {};
  const std::string open_file = fmt::format("/proc/self/fd/{}", draft.fd.get());
  if (::linkat(AT_FDCWD, open_file.c_str(), AT_FDCWD, draft.name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    return error(with_errno("cannot write " + path, errno));
  }
  draft.named = true;
  return {};
}

// A stale temporary: ours, regular, and written by nobody.
bool abandoned(int directory, const char* name) {
  const UniqueFd fd(
      ::openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat info {};
  return fd && ::fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode) &&
         info.st_uid == ::geteuid() && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
}

Result<UniqueFd> open_to_read(const std::string& path, FileKind kind) {
  const int patience = kind == FileKind::regular ? O_NONBLOCK : 0;
  UniqueFd fd(open_file(path, O_RDONLY | patience));
  if (!fd) return error(with_errno("cannot open " + path, errno));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return error(with_errno("cannot examine " + path, errno));
  if (kind == FileKind::regular && !S_ISREG(info.st_mode)) {
    return error(path + " is not a regular file");
  }
  return fd;
}

}  // namespace

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<std::string> read_file(const std::string& path, std::size_t limit, FileKind kind) {
  const auto fd = open_to_read(path, kind);
  if (!fd) return tl::unexpected(fd.error());
  // In pieces that grow: most files are small, whatever they may be at most.
  std::string content;
  std::size_t size = 0;
  while (size == content.size() && size <= limit) {
    content.resize(std::min(limit + 1, std::max<std::size_t>(4096, 4 * size)));
    const auto got =
        read_all(fd->get(), path,
                 {reinterpret_cast<std::uint8_t*>(content.data()) + size, content.size() - size});
    if (!got) return tl::unexpected(got.error());
    size += *got;
  }
  if (size > limit) return error(fmt::format("{} is larger than {} bytes", path, limit));
  content.resize(size);
  return content;
}

Result<SecretBytes> read_secret_file(const std::string& path, std::size_t limit, FileKind kind) {
  const auto fd = open_to_read(path, kind);
  if (!fd) return tl::unexpected(fd.error());
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0) return error(with_errno("cannot examine " + path, errno));
  if (S_ISDIR(info.st_mode)) return error(path + " is a directory; name the file in it");
  // What is root's is for a group that root chose (as PostgreSQL has it): how Kubernetes hands out
  // a Secret.
  const unsigned allowed = info.st_uid == 0 && ::geteuid() != 0 ? 040 : 0;
  if ((info.st_mode & 077 & ~allowed) != 0) {
    return error(fmt::format("{} has mode {:04o}, so others can read a secret; chmod 600 {}", path,
                             info.st_mode & 07777, path));
  }
  SecretBytes buffer(limit + 1);
  const auto size = read_all(fd->get(), path, buffer.view());
  if (!size) return tl::unexpected(size.error());
  if (*size > limit) return error(fmt::format("{} is larger than {} bytes", path, limit));
  return SecretBytes(Bytes(buffer.view()).first(*size));
}

Result<std::size_t> read_all(int fd, const std::string& path, MutableBytes out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::read(fd, out.data() + done, out.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error(with_errno("cannot read " + path, errno));
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

void make_directory_of(const std::string& path) { ::mkdir(directory_of(path).c_str(), 0755); }

int why_not_made(const std::string& path) {
  constexpr int enter_and_write = W_OK | X_OK;
  std::string directory = directory_of(path);
  if (::access(directory.c_str(), F_OK) != 0 && errno == ENOENT) {
    directory = directory_of(directory);
  }
  struct stat info {};
  if (::stat(directory.c_str(), &info) != 0) return errno;
  if (!S_ISDIR(info.st_mode)) return ENOTDIR;
  return ::access(directory.c_str(), enter_and_write) == 0 ? 0 : errno;
}

Result<void> write_all(int fd, const std::string& path, Bytes content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error(with_errno("cannot write " + path, errno));
    content = content.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

namespace {

// `settle(draft)` gives a whole draft its place.
template <typename Settle>
Result<void> write_draft(const std::string& path, Bytes content, unsigned mode,
                         const Settle& settle) {
  auto draft = open_draft(path);
  if (!draft) return tl::unexpected(draft.error());
  Result<void> outcome = write_all(draft->fd.get(), path, content);
  if (outcome && ::fchmod(draft->fd.get(), mode) != 0) {
    outcome = error(with_errno("cannot set the mode of " + path, errno));
  }
  if (outcome && ::fsync(draft->fd.get()) != 0) {
    outcome = error(with_errno("cannot sync " + path, errno));
  }
  if (outcome) outcome = give_name(*draft, path);
  if (outcome) outcome = settle(*draft);
  if (!outcome) {
    if (draft->named) ::unlink(draft->name.c_str());
    return outcome;
  }
  const UniqueFd directory(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) {
    return error(with_errno("cannot sync the directory of " + path, errno));
  }
  return {};
}

}  // namespace

Result<void> replace_file(const std::string& path, Bytes content, unsigned mode) {
  return write_draft(path, content, mode, [&path](const Draft& draft) -> Result<void> {
    if (::rename(draft.name.c_str(), path.c_str()) == 0) return {};
    return error(with_errno("cannot replace " + path, errno));
  });
}

Result<void> write_new_file(const std::string& path, Bytes content, unsigned mode) {
  return write_draft(path, content, mode, [&path](const Draft& draft) -> Result<void> {
    if (::link(draft.name.c_str(), path.c_str()) != 0) {
      return error(with_errno("cannot make " + path, errno));
    }
    ::unlink(draft.name.c_str());
    return {};
  });
}

std::size_t remove_temporaries(const std::string& directory, std::string_view name) {
  const std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> listing(
      ::opendir(directory.c_str()));
  if (!listing) return 0;
  const int at = ::dirfd(listing.get());
  std::size_t removed = 0;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own
  while (const dirent* const entry = ::readdir(listing.get())) {
    const char* const file = entry->d_name;
    if (!is_temporary(file, name) || !abandoned(at, file)) continue;
    if (::unlinkat(at, file, 0) == 0) ++removed;
  }
  return removed;
}

}  // namespace qanat
