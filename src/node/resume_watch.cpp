#include "node/resume_watch.h"

#include <fmt/core.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "base/log.h"
#include "base/quantity.h"

namespace qanat::node {

using namespace std::chrono_literals;

namespace {

// The two clocks are read one after the other: a thread may be kept waiting in between.
constexpr Duration least_sleep = 100ms;
constexpr Duration least_setting = 1s;
constexpr Duration look_interval = 10s;
constexpr Duration least_gap = 1s;

Duration read_clock(clockid_t id) {
  timespec time{};
  ::clock_gettime(id, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

UniqueFd open_uevents() {
  UniqueFd fd(
      ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1;  // the kernel's own; 2 is udev's
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    log_debug("{}: a new VM generation is noticed by the clocks alone",
              with_errno("no kernel events", errno));
    return UniqueFd();
  }
  return fd;
}

// Expires in some thirty years; its read fails at once when the clock is set (timerfd_create(2)).
UniqueFd open_clock_set() {
  UniqueFd fd(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  itimerspec never{};
  never.it_value.tv_sec = std::time(nullptr) + 1000000000;
  if (!fd || ::timerfd_settime(fd.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
                               nullptr) != 0) {
    return UniqueFd();
  }
  return fd;
}

}  // namespace

ClockReading read_clocks() {
  return {read_clock(CLOCK_BOOTTIME), read_clock(CLOCK_MONOTONIC), read_clock(CLOCK_REALTIME)};
}

std::optional<std::string> ClockJumps::look(const ClockReading& now) {
  const Duration passed = now.monotonic - last_.monotonic;
  const Duration slept = now.boot - last_.boot - passed;
  const Duration set = now.real - last_.real - (now.boot - last_.boot);
  last_ = now;
  if (slept >= least_sleep) return fmt::format("the machine slept for {}", format_duration(slept));
  if (set >= least_setting) {
    return fmt::format("the clock was set forward by {}", format_duration(set));
  }
  if (-set >= least_setting) {
    return fmt::format("the clock was set back by {}", format_duration(-set));
  }
  return std::nullopt;
}

bool tells_new_generation(std::string_view uevent) {
  constexpr std::string_view wanted = "NEW_VMGENID=1";
  while (!uevent.empty()) {
    const std::size_t end = uevent.find('\0');
    if (uevent.substr(0, end) == wanted) return true;
    uevent.remove_prefix(end == std::string_view::npos ? uevent.size() : end + 1);
  }
  return false;
}

ResumeWatch::ResumeWatch(OnResume on_resume)
    : on_resume_(std::move(on_resume)),
      uevents_(open_uevents()),
      clock_set_(open_clock_set()),
      thread_([this] { run(); }) {}

ResumeWatch::~ResumeWatch() { stop_.wake(); }

bool ResumeWatch::hear_uevents() {
  std::array<char, 8192> message;
  bool heard = false;
  for (;;) {
    sockaddr_nl from{};
    socklen_t size = sizeof from;
    const ssize_t got = ::recvfrom(uevents_.get(), message.data(), message.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &size);
    // ENOBUFS: some were lost; the next is heard again.
    if (got < 0 && errno == ENOBUFS) continue;
    if (got < 0) return heard;
    // Other processes may send here too; the kernel is 0.
    if (from.nl_pid != 0) continue;
    heard = heard || tells_new_generation({message.data(), static_cast<std::size_t>(got)});
  }
}

void ResumeWatch::run() {
  ClockJumps jumps(read_clocks());
  const Clock clock;
  std::string pending;
  TimePoint not_before{};
  for (;;) {
    std::array<pollfd, 3> ready{pollfd{stop_.fd(), POLLIN, 0}, pollfd{uevents_.get(), POLLIN, 0},
                                pollfd{clock_set_.get(), POLLIN, 0}};
    const Duration rest = pending.empty() ? look_interval : not_before - clock.now();
    const auto timeout = std::chrono::duration_cast<std::chrono::milliseconds>(rest).count() + 1;
    ::poll(ready.data(), ready.size(), static_cast<int>(std::max<long>(timeout, 0)));
    if (ready[0].revents != 0) return;
    if (ready[1].revents != 0 && hear_uevents())
      pending = "the hypervisor says that this is a copy";
    std::uint64_t expirations = 0;
    // ECANCELED; nothing else comes of it.
    if (ready[2].revents != 0 && ::read(clock_set_.get(), &expirations, sizeof expirations) > 0) {
      clock_set_ = open_clock_set();
    }
    if (auto jump = jumps.look(read_clocks()); jump && pending.empty()) pending = std::move(*jump);
    if (pending.empty() || clock.now() < not_before) continue;
    not_before = clock.now() + least_gap;
    on_resume_(std::exchange(pending, {}));
  }
}

}  // namespace qanat::node
