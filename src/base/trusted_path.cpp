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

// This account's, or root's.
bool is_ours(const PathStep& step) {
  return step.info.st_uid == 0 || step.info.st_uid == ::geteuid();
}

// One step on the way to a directory.
Result<void> look_at(const PathStep& step, const std::string& entrusted) {
  if (!is_ours(step) && (step.last || step.path != entrusted)) {
    const uid_t self = ::geteuid();
    const std::string name = account_name(step.info.st_uid);
    if (!step.last) {
      return error(fmt::format("{} belongs to {}, who can put another directory into its place",
                               step.path, name));
    }
    return error(fmt::format("{} belongs to {}, and this runs as {}: run it as {} ({} -u {})",
                             step.path, name, account_name(self), name,
                             self == 0 ? "runuser" : "sudo", name));
  }
  const unsigned others = step.info.st_mode & 022U;
  const bool sticky = (step.info.st_mode & S_ISVTX) != 0 && !step.last;
  if (S_ISDIR(step.info.st_mode) && others != 0 && !sticky) {
    return error(fmt::format("{} can be written by others (mode {:04o}): chmod {} {}", step.path,
                             step.info.st_mode & 07777U, step.last ? "700" : "go-w", step.path));
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

std::string who_else_may_change(const PathStep& step) {
  const auto& info = step.info;
  if (step.in_proc) return step.path + " is what a process makes of it";
  if (!is_ours(step)) {
    return fmt::format("{} belongs to {}", step.path, account_name(info.st_uid));
  }
  // In a directory like /tmp others change nothing of root's, and a volume of a container's has
  // modes that nobody there can change. A group is others, root's too: the bits may be an ACL's.
  const bool excused = (S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0) || step.read_only ||
                       S_ISLNK(info.st_mode);
  if (!excused && (info.st_mode & 022U) != 0) {
    return fmt::format("{0} can be written by others (mode {1:04o}: chmod go-w {0})", step.path,
                       info.st_mode & 07777U);
  }
  return "";
}

Result<void> only_ours(const std::string& directory, const std::string& entrusted) {
  const std::string normal = fs::path(entrusted).lexically_normal().string();
  return walk_path(directory, [&normal](const PathStep& step) { return look_at(step, normal); });
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
