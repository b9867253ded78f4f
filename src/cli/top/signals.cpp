#include "cli/top/signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace qanat::cli::top {

Signals::Signals() {
  sigset_t set;
  sigemptyset(&set);
  // SIGHUP: the terminal is gone. SIGQUIT would leave it as it is.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGWINCH, SIGTSTP, SIGCONT}) {
    sigaddset(&set, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_ = UniqueFd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd_) throw Failure(with_errno("signalfd", errno));
}

std::optional<Signal> Signals::next() const {
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof info) == sizeof info) {
    switch (info.ssi_signo) {
      case SIGWINCH:
        return Signal::resized;
      case SIGTSTP:
        return Signal::suspend;
      case SIGCONT:
        return Signal::resumed;
      case SIGUSR1:  // "now", to a node
        break;
      default:
        return Signal::stop;
    }
  }
  return std::nullopt;
}

}  // namespace qanat::cli::top
