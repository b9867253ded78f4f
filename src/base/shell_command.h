// A command of the operator's, run by /bin/sh.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/waker.h"

namespace qanat {

// A child and all that it starts (a process group of its own), with /dev/null for its input and
// signals as a fresh program has them. Not thread-safe. Ends with this object.
class ShellCommand {
 public:
  ShellCommand() = default;
  ShellCommand(const ShellCommand&) = delete;
  ShellCommand& operator=(const ShellCommand&) = delete;
  ~ShellCommand() { terminate(); }

  // Whose standard output is `output`, or our own where that is -1. `variables` are added to the
  // environment. An Error when it cannot be started.
  Result<void> start(std::string command, int output,
                     const std::vector<std::pair<std::string, std::string>>& variables = {});
  // Its wait status (waitpid(2)); nullopt when `waker` was woken or `limit` has passed before it
  // ended.
  std::optional<int> wait(const Waker& waker, Duration limit);
  // SIGTERM to all of it, and SIGKILL after half a second.
  void terminate();

 private:
  pid_t child_ = -1;
  UniqueFd ended_;  // readable once it has (pidfd_open(2))
};

// "ended with status 1", "died of signal 9".
std::string describe_wait_status(int status);

}  // namespace qanat
