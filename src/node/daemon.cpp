#include "node/daemon.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

#include "base/descriptor_limit.h"

#ifdef QANAT_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

namespace qanat::node {
namespace {

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void prepare_process() {
  const sigset_t set = handled_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_DUMPABLE, 0);
  raise_descriptor_limit();
}

Signal wait_for_signal(Duration limit) {
  const sigset_t set = handled_signals();
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(limit).count();
  const timespec time{ns / 1000000000, ns % 1000000000};
  for (;;) {
    const int signal = limit == Duration::zero() ? ::sigwaitinfo(&set, nullptr)
                                                 : ::sigtimedwait(&set, nullptr, &time);
    if (signal == SIGTERM || signal == SIGINT) return Signal::stop;
    if (signal == SIGHUP) return Signal::reload;
    if (signal == SIGUSR1) return Signal::now;
    if (errno == EAGAIN) return Signal::none;
  }
}

void nudge() { ::kill(::getpid(), SIGUSR1); }

void tell_systemd(const char* state) {
#ifdef QANAT_SYSTEMD
  ::sd_notify(0, state);
#else
  (void)state;
#endif
}

}  // namespace qanat::node
