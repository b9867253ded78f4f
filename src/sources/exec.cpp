#include "sources/exec.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>

namespace qanat::sources {

using namespace std::chrono_literals;

namespace {

// Signals that the program itself blocks or ignores start afresh in the child.
pid_t spawn_shell(std::string& command, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
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
  pid_t child = -1;
  const int problem =
      posix_spawn(&child, shell.c_str(), &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  errno = problem;
  return problem == 0 ? child : -1;
}

}  // namespace

Result<void> Exec::open() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return error(with_errno("pipe", errno));
  output_ = UniqueFd(ends[0]);
  const UniqueFd input(ends[1]);
  child_ = spawn_shell(command_, input.get());
  if (child_ < 0) {
    output_.reset();
    return error(with_errno("cannot start /bin/sh", errno));
  }
  return {};
}

Result<std::size_t> Exec::read(MutableBytes out, const Waker& waker) {
  for (;;) {
    if (wait_for(output_.get(), POLLIN, waker, std::nullopt) == Wake::woken) return std::size_t{0};
    const ssize_t n = ::read(output_.get(), out.data(), out.size());
    if (n > 0) return static_cast<std::size_t>(n);
    if (n == 0) return error(how_it_ended());
    if (errno != EINTR) return error(with_errno("cannot read from the command", errno));
  }
}

std::string Exec::how_it_ended() {
  int status = 0;
  // It closed its output; a shell that is about to end does so within a moment.
  for (int i = 0; i < 50 && ::waitpid(child_, &status, WNOHANG) == 0; ++i) {
    std::this_thread::sleep_for(10ms);
    if (i == 49) return "the command closed its output";
  }
  child_ = -1;
  if (WIFSIGNALED(status)) return fmt::format("the command died of signal {}", WTERMSIG(status));
  return fmt::format("the command ended with status {}", WEXITSTATUS(status));
}

void Exec::close() {
  output_.reset();
  if (child_ < 0) return;
  ::kill(-child_, SIGTERM);
  for (int i = 0; i < 50; ++i) {
    if (::waitpid(child_, nullptr, WNOHANG) == child_) {
      child_ = -1;
      return;
    }
    std::this_thread::sleep_for(10ms);
  }
  ::kill(-child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
  child_ = -1;
}

}  // namespace qanat::sources
