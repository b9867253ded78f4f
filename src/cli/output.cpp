#include "cli/output.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "base/files.h"
#include "base/log.h"

namespace qanat::cli {

void hold_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    // open takes the lowest free number: this one. What is meant for reading refuses to be written.
    // NOLINTNEXTLINE(android-cloexec-open): children get it as they would have got the real one
    (void)::open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY);
  }
}

void require_output() {
  pollfd state{STDOUT_FILENO, POLLOUT, 0};
  if ((::fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY) {
    throw Failure("standard output is closed; nothing was done");
  }
  if (::poll(&state, 1, 0) == 1 && (state.revents & POLLERR) != 0) {
    throw Failure("nobody reads standard output; nothing was done");
  }
}

Result<void> hand_over(std::string_view text) {
  return write_all(STDOUT_FILENO, "standard output", as_bytes(text));
}

void ignore_broken_pipes() { std::signal(SIGPIPE, SIG_IGN); }

void complain(std::string_view text) {
  std::fputs(for_stderr(LogLevel::error, text).c_str(), stderr);
}

int finish_output(int code) {
  errno = 0;
  std::cout.flush();
  const bool whole = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && !std::cout.fail();
  if (whole) return code;
  const int problem = errno;
  const std::string what = "qanat: cannot write to standard output";
  complain(problem == 0 ? what : with_errno(what, problem));
  return code == 0 ? 1 : code;
}

}  // namespace qanat::cli
