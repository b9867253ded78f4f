#include "base/trusted_path.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>

namespace qanat {

namespace fs = std::filesystem;

namespace {

// One directory on the way; `last` is the one that is asked for.
Result<void> look_at(const std::string& path, bool last, const std::string& entrusted) {
  struct stat info {};
  // The link itself: whoever owns it can point it elsewhere.
  if (::lstat(path.c_str(), &info) != 0) return {};
  const uid_t self = ::geteuid();
  const auto trusted = [&](uid_t owner) { return owner == 0 || owner == self; };
  bool owned = trusted(info.st_uid);
  if (S_ISLNK(info.st_mode) && owned) {
    if (::stat(path.c_str(), &info) != 0) return {};
    owned = trusted(info.st_uid);
  }
  if (!owned && (last || path != entrusted)) {
    const std::string owner = account_name(info.st_uid);
    if (!last) {
      return error(fmt::format("{} belongs to {}, who can put another directory into its place",
                               path, owner));
    }
    return error(fmt::format("{} belongs to {}, and this runs as {}: run it as {} ({} -u {})", path,
                             owner, account_name(self), owner, self == 0 ? "runuser" : "sudo",
                             owner));
  }
  const unsigned others = info.st_mode & 022U;
  const bool sticky = (info.st_mode & S_ISVTX) != 0 && !last;
  if (S_ISDIR(info.st_mode) && others != 0 && !sticky) {
    return error(fmt::format("{} can be written by others (mode {:04o}): chmod {} {}", path,
                             info.st_mode & 07777U, last ? "700" : "go-w", path));
  }
  return {};
}

}  // namespace

std::string account_name(unsigned uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer{};
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return fmt::format("uid {}", uid);
}

Result<void> only_ours(const std::string& directory, const std::string& entrusted) {
  std::error_code problem;
  fs::path written = fs::absolute(directory, problem).lexically_normal();
  if (!written.has_filename()) written = written.parent_path();
  const std::string normal = fs::path(entrusted).lexically_normal().string();
  // As it is written, with its links, and where these lead.
  for (const fs::path& path : {written, fs::weakly_canonical(written, problem)}) {
    fs::path part;
    for (const fs::path& name : path) {
      part /= name;
      if (auto good = look_at(part.string(), part == path, normal); !good) return good;
    }
  }
  return {};
}

tl::expected<UniqueFd, int> open_trusted(const std::string& path, int flags) {
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), ::free);
  if (!real) return tl::unexpected(errno);
  if (!only_ours(directory_of(real.get()))) return tl::unexpected(EACCES);
  UniqueFd fd(::open(real.get(), flags | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC));
  if (!fd) return tl::unexpected(errno);
  struct stat info {};
  const bool is_device_or_pipe =
      ::fstat(fd.get(), &info) == 0 && (S_ISCHR(info.st_mode) || S_ISFIFO(info.st_mode));
  if ((flags & O_ACCMODE) != O_RDONLY && !is_device_or_pipe) return tl::unexpected(EACCES);
  return fd;
}

}  // namespace qanat
