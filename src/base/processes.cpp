#include "base/processes.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/clock.h"
#include "base/files.h"
#include "base/powers.h"
#include "base/quantity.h"
#include "base/shown.h"

namespace qanat {
namespace {

std::vector<int> numbered_entries(const std::string& directory) {
  std::vector<int> numbers;
  std::error_code problem;
  // Not by range: that throws when the process ends in the middle.
  for (std::filesystem::directory_iterator at(directory, problem), end; !problem && at != end;
       at.increment(problem)) {
    if (const auto number = parse_number<int>(at->path().filename().string())) {
      numbers.push_back(*number);
    }
  }
  return numbers;
}

constexpr Duration longest_look = std::chrono::seconds(1);

// UNIX 98 pseudo-terminals (Linux, admin-guide/devices.txt).
constexpr unsigned first_pty_major = 136;
constexpr unsigned last_pty_major = 143;

bool reads_one_of(const std::string& open_file, std::span<const dev_t> devices) {
  std::error_code none;
  // Only what can be it, in a chroot too: to look at a file on a server that is away would take for
  // ever.
  const auto target = std::filesystem::read_symlink(open_file, none).string();
  if (target.find("/dev/") == std::string::npos) return false;
  struct stat link {};
  // The link's permissions are those that the file is open with (proc(5)).
  if (::lstat(open_file.c_str(), &link) != 0 || (link.st_mode & S_IRUSR) == 0) return false;
  struct stat info {};
  if (::stat(open_file.c_str(), &info) != 0 || !S_ISCHR(info.st_mode)) return false;
  // A container counts its pseudo-terminals from 0, too.
  struct stat ours {};
  const unsigned kind = major(info.st_rdev);
  if (kind >= first_pty_major && kind <= last_pty_major && ::stat("/dev/pts", &ours) == 0 &&
      ours.st_dev != info.st_dev) {
    return false;
  }
  return std::find(devices.begin(), devices.end(), info.st_rdev) != devices.end();
}

}  // namespace

std::vector<pid_t> list_processes() { return numbered_entries("/proc"); }

std::vector<std::string> open_files_of(pid_t process) {
  const std::string directory = fmt::format("/proc/{}/fd", process);
  std::vector<std::string> paths;
  for (const int fd : numbered_entries(directory)) {
    paths.push_back(fmt::format("{}/{}", directory, fd));
  }
  return paths;
}

std::string name_of_process(pid_t process) {
  std::string name = read_file(fmt::format("/proc/{}/comm", process), 256).value_or("?");
  if (name.ends_with('\n')) name.pop_back();
  return shown(name);
}

std::optional<Holder> find_holder(std::span<const dev_t> devices, pid_t group, pid_t myself) {
  // Of a machine with a million open files no more than can be looked at in the meantime.
  const TimePoint end = Clock().now() + longest_look;
  for (const pid_t process : list_processes()) {
    if (Clock().now() >= end) break;
    if (process == myself || (group != 0 && ::getpgid(process) != group)) continue;
    for (const std::string& file : open_files_of(process)) {
      if (reads_one_of(file, devices)) return Holder{process, name_of_process(process)};
    }
  }
  return std::nullopt;
}

std::optional<Holder> find_holder(std::span<const dev_t> devices, pid_t group) {
  return powers() != nullptr ? powers()->find_holder(devices, group)
                             : find_holder(devices, group, ::getpid());
}

std::optional<dev_t> device_at(const std::string& path) {
  struct stat info {};
  const bool is_device =
      ::stat(path.c_str(), &info) == 0 && (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode));
  return is_device ? std::optional(info.st_rdev) : std::nullopt;
}

}  // namespace qanat
