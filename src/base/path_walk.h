// The way that the kernel goes to a file: who may change what a path leads to.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <string>

#include "base/error.h"

namespace qanat {

// A directory that is passed, a link that is followed, or what the path leads to.
struct PathStep {
  std::string path;     // with the links before it resolved
  struct stat info {};  // of a link: its own
  bool last = false;    // what the path leads to
  // In a file system that says of its links what is not so, and where others than their owners
  // choose (/proc/PID/cwd).
  bool in_proc = false;
  bool read_only = false;  // its file system is mounted so
};

// Calls `visit` for each of them, in the order in which the kernel passes them
// (path_resolution(7)): "k/.." leads through the link k, and not around it. Ends at the first
// Error, which is the answer, and where something does not exist or may not be passed: so far all
// was visited. An Error, too, where this process cannot look (no descriptor, no memory, links
// without end). `path` may be relative.
Result<void> walk_path(const std::string& path,
                       const std::function<Result<void>(const PathStep& step)>& visit);

}  // namespace qanat
