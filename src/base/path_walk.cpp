#include "base/path_walk.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <filesystem>

#include "base/files.h"

namespace qanat {
namespace {

constexpr int most_links = 40;  // MAXSYMLINKS, after which open() fails

// Names before those that are still to come.
void put_before(const std::string& path, std::deque<std::string>& names) {
  std::deque<std::string> more;
  for (const std::filesystem::path& name : std::filesystem::path(path)) {
    if (name != "/" && name != "." && !name.empty()) more.push_back(name.string());
  }
  names.insert(names.begin(), more.begin(), more.end());
}

struct Place {
  UniqueFd fd;
  std::string path;  // "" is the root
};

Place root() { return {UniqueFd(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)), ""}; }

tl::unexpected<Error> cannot_look(const std::string& path, int problem) {
  return error(with_errno("cannot look at " + path, problem));
}

void look_at_file_system(int fd, PathStep& step) {
  struct statfs info {};
  if (::fstatfs(fd, &info) != 0) return;
  step.in_proc = info.f_type == PROC_SUPER_MAGIC;
  step.read_only = (info.f_flags & ST_RDONLY) != 0;
}

}  // namespace

Result<void> walk_path(const std::string& path,
                       const std::function<Result<void>(const PathStep& step)>& visit) {
  std::error_code problem;
  std::deque<std::string> names;
  put_before(path, names);
  // The kernel says where a process is without links.
  if (!path.starts_with('/')) put_before(std::filesystem::current_path(problem).string(), names);
  Place at = root();
  PathStep top;
  if (!at.fd || ::fstat(at.fd.get(), &top.info) != 0) return cannot_look("/", errno);
  top.path = "/";
  top.last = names.empty();
  look_at_file_system(at.fd.get(), top);
  if (auto good = visit(top); !good) return good;
  int links = 0;
  while (!names.empty()) {
    if (!at.fd) return cannot_look("/", errno);
    const std::string name = names.front();
    names.pop_front();
    UniqueFd next(::openat(at.fd.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    PathStep step;
    step.last = names.empty();
    if (!next && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)) return {};
    if (!next || ::fstat(next.get(), &step.info) != 0) {
      return cannot_look(at.path + "/" + name, errno);
    }
    if (name == "..") {
      // It was passed on the way down, as no link leads anywhere but through its own directories.
      at = {std::move(next), at.path.substr(0, std::min(at.path.rfind('/'), at.path.size()))};
      continue;
    }
    step.path = at.path + "/" + name;
    look_at_file_system(next.get(), step);
    const bool link = S_ISLNK(step.info.st_mode);
    if (link) step.last = false;
    if (auto good = visit(step); !good) return good;
    if (!link) {
      at = {std::move(next), step.path};
      continue;
    }
    std::array<char, PATH_MAX> target;
    const ssize_t size = ::readlinkat(next.get(), "", target.data(), target.size());
    if (size <= 0) return cannot_look(step.path, errno);
    if (++links > most_links) return cannot_look(path, ELOOP);
    const std::string to(target.data(), static_cast<std::size_t>(size));
    put_before(to, names);
    if (to.front() == '/') at = root();
  }
  return {};
}

}  // namespace qanat
