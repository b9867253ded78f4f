#include "machine/daemon.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "base/descriptor_limit.h"
#include "base/log.h"

namespace qanat::machine {
namespace {

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD}) sigaddset(&set, signal);
  return set;
}

// Past the log, which may be what is stuck, and only where nobody has to be waited for.
void say_at_once(std::string_view line) {
  pollfd out{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0) return;
  (void)!::write(STDERR_FILENO, line.data(), line.size());
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
    if (signal == SIGCHLD) return Signal::child;
    if (errno == EAGAIN) return Signal::none;
  }
}

void nudge() { ::kill(::getpid(), SIGUSR1); }

Signals::Signals() : thread_([this] { take(); }) {}

Signals::~Signals() {
  {
    const MutexLock lock(mutex_);
    over_ = true;
  }
  nudge();
  thread_.join();
}

void Signals::take() {
  const Clock clock;
  // Made now: later there may be no memory.
  const std::string last_words =
      for_stderr(LogLevel::warning, "qanat: stopping takes too long; leaving what is stuck behind");
  Duration left{};
  for (;;) {
    const Signal signal = wait_for_signal(left);
    const MutexLock lock(mutex_);
    if (over_) return;
    const TimePoint now = clock.now();
    if (signal == Signal::stop && !end_) end_ = now + longest_end;
    if (end_ && now >= *end_) {
      say_at_once(last_words);
      std::_Exit(code_);
    }
    left = end_ ? *end_ - now : Duration::zero();
    stop_ = stop_ || signal == Signal::stop;
    reload_ = reload_ || signal == Signal::reload;
    now_ = now_ || signal == Signal::now;
    child_ = child_ || signal == Signal::child;
    news_.notify_one();
  }
}

Signal Signals::wait(Duration limit) {
  const TimePoint end = Clock().now() + limit;
  const MutexLock lock(mutex_);
  while (!stop_ && !reload_ && !now_ && !child_) {
    if (news_.wait_until(mutex_, end) == std::cv_status::timeout) return Signal::none;
  }
  if (std::exchange(stop_, false)) return Signal::stop;
  if (std::exchange(reload_, false)) return Signal::reload;
  if (std::exchange(now_, false)) return Signal::now;
  child_ = false;
  return Signal::child;
}

void Signals::end_soon(int code) {
  {
    const MutexLock lock(mutex_);
    code_ = code;
    if (!end_) end_ = Clock().now() + longest_end;
  }
  nudge();
}

}  // namespace qanat::machine
