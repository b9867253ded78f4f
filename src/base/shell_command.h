// A command of the operator's, run by /bin/sh.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/waker.h"

namespace qanat {

// A child and all that it starts (a process group of its own), with /dev/null for its input,
// signals as a fresh program has them, the descriptor limit that this process began with, and
// without what systemd asks of this process in the environment. Not
// thread-safe. Ends with this object, or with this process, however that ends: a second shell in
// the group waits for that. Needs descriptors to start, and none to end. Where this process has a
// monitor (base/powers.h), it is the monitor's child, and ends with that, too.
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
  // SIGTERM to the command, and SIGKILL to all that is left of the group: at once when the command
  // has ended, or else after half a second.
  void terminate() noexcept;
  // Readable once it has ended; -1 where the kernel does not tell: then `wait` has to look.
  int descriptor() const { return far_ ? far_.get() : ended_.get(); }
  // Of the command and what it started; -1: none runs.
  pid_t group() const { return guard_; }
  // After its end was seen: what it left running, such as a service that it started, stays.
  void leave() noexcept;

 private:
  std::optional<int> reap();
  std::optional<int> reap_far();
  void terminate_far() noexcept;

  UniqueFd far_;      // the monitor's word of one that is its child (ShellLink)
  pid_t guard_ = -1;  // the leader of the group
  UniqueFd guarded_;  // the guard's input, which ends with us
  pid_t child_ = -1;
  UniqueFd ended_;  // readable once it has (pidfd_open(2)); empty where there is none
};

// What is said over the link of a command that another process runs: by that one its wait status,
// once it has ended, and the end of the link once nothing of it is left; to that one `leave`, or
// the end of the link: terminate it.
struct ShellLink {
  static constexpr char leave = 'L';
};

// The word that a command begins with, where the shell would make nothing else of it, and it is no
// definition; else empty.
std::string program_of(const std::string& command);

// Why the program that a command begins with cannot be run; empty: it can, or that cannot be told.
// Asks the shell, in a process of its own.
std::string missing_program(const std::string& command);

// "ended with status 1", "died of signal 9".
std::string describe_wait_status(int status);

}  // namespace qanat
