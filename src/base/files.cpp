#include "base/files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace qanat {
namespace {

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return error(with_errno("cannot open " + path, errno));
  std::string content(limit + 1, '\0');
  const auto size =
      read_all(fd.get(), path, {reinterpret_cast<std::uint8_t*>(content.data()), content.size()});
  if (!size) return tl::unexpected(size.error());
  if (*size > limit) return error(fmt::format("{} is larger than {} bytes", path, limit));
  content.resize(*size);
  return content;
}

Result<SecretBytes> read_secret_file(const std::string& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return error(with_errno("cannot open " + path, errno));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return error(with_errno("cannot examine " + path, errno));
  if ((info.st_mode & 077) != 0) {
    return error(fmt::format("{} has mode {:04o}, so others can read a secret; chmod 600 {}", path,
                             info.st_mode & 07777, path));
  }
  SecretBytes buffer(limit + 1);
  const auto size = read_all(fd.get(), path, buffer.view());
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

Result<void> write_all(int fd, const std::string& path, Bytes content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error(with_errno("cannot write " + path, errno));
    content = content.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> replace_file(const std::string& path, Bytes content, unsigned mode) {
  std::string temporary = path + ".XXXXXX";
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return error(with_errno("cannot create " + temporary, errno));
  Result<void> outcome = write_all(fd.get(), temporary, content);
  if (outcome && ::fchmod(fd.get(), mode) != 0) {
    outcome = error(with_errno("cannot set the mode of " + temporary, errno));
  }
  if (outcome && ::fsync(fd.get()) != 0) {
    outcome = error(with_errno("cannot sync " + temporary, errno));
  }
  if (outcome && ::rename(temporary.c_str(), path.c_str()) != 0) {
    outcome = error(with_errno("cannot replace " + path, errno));
  }
  if (!outcome) {
    ::unlink(temporary.c_str());
    return outcome;
  }
  const UniqueFd directory(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) {
    return error(with_errno("cannot sync the directory of " + path, errno));
  }
  return {};
}

}  // namespace qanat
