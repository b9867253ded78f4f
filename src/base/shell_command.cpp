#include "base/shell_command.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace qanat {

using namespace std::chrono_literals;

namespace {

// Ours, with some more: "NAME=VALUE".
std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& variables) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) entries.emplace_back(*entry);
  for (const auto& [name, value] : variables) {
    entries.push_back(fmt::format("{}={}", name, value));
  }
  return entries;
}

}  // namespace

Result<void> ShellCommand::start(
    std::string command, int output,
    const std::vector<std::pair<std::string, std::string>>& variables) {
  terminate();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (output >= 0) posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  sigset_t usual;
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  std::string shell = "/bin/sh";
  std::string flag = "-c";
  std::array<char*, 4> arguments{shell.data(), flag.data(), command.data(), nullptr};
  std::vector<std::string> entries = environment_with(variables);
  std::vector<char*> environment;
  for (std::string& entry : entries) environment.push_back(entry.data());
  environment.push_back(nullptr);
  pid_t child = -1;
  const int problem = posix_spawn(&child, shell.c_str(), &actions, &attributes, arguments.data(),
                                  environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (problem != 0) return error(with_errno("cannot start /bin/sh", problem));
  child_ = child;
  ended_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  return {};
}

std::optional<int> ShellCommand::wait(const Waker& waker, Duration limit) {
  // Without one (Linux before 5.3) the end is only seen when the time is up.
  if (wait_for(ended_.get(), POLLIN, waker, limit) == Wake::woken) return std::nullopt;
  int status = 0;
  if (child_ < 0 || ::waitpid(child_, &status, WNOHANG) != child_) return std::nullopt;
  child_ = -1;
  return status;
}

void ShellCommand::terminate() {
  if (child_ < 0) return;
  const Waker never;
  ::kill(-child_, SIGTERM);
  if (wait(never, 500ms)) return;
  ::kill(-child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
  child_ = -1;
}

std::string describe_wait_status(int status) {
  return WIFSIGNALED(status) ? fmt::format("died of signal {}", WTERMSIG(status))
                             : fmt::format("ended with status {}", WEXITSTATUS(status));
}

}  // namespace qanat
