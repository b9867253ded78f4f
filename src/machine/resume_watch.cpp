#include "machine/resume_watch.h"

#include <fmt/core.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/log.h"
#include "base/quantity.h"
#include "base/work_loop.h"

namespace qanat::machine {

using namespace std::chrono_literals;

namespace {

// The two clocks are read one after the other: a thread may be kept waiting in between.
constexpr Duration least_sleep = 100ms;
constexpr Duration least_setting = 1s;
constexpr Duration look_interval = 10s;
constexpr Duration least_gap = 1s;
// A cable that is loose must not cost a reserve each second.
constexpr Duration least_link_gap = 60s;

Duration read_clock(clockid_t id) {
  timespec time{};
  ::clock_gettime(id, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// A socket that hears these groups of this family.
UniqueFd open_netlink(int family, std::uint32_t groups, const char* without) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, family));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    log_debug("{}: {}", with_errno("no netlink", errno), without);
    return UniqueFd();
  }
  return fd;
}

// The kernel's own; 2 is udev's.
constexpr std::uint32_t kernel_events = 1;

// Calls `take` with each message of the kernel's that is there.
template <typename Take>
void hear_netlink(int fd, const Take& take) {
  std::array<char, 32768> message;
  for (;;) {
    sockaddr_nl from{};
    socklen_t size = sizeof from;
    const ssize_t got = ::recvfrom(fd, message.data(), message.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &size);
    // ENOBUFS: some were lost; the next is heard again.
    if (got < 0 && errno == ENOBUFS) continue;
    if (got < 0) return;
    // Other processes may send here too; the kernel is 0.
    if (from.nl_pid == 0) take(std::string_view(message.data(), static_cast<std::size_t>(got)));
  }
}

bool has_hardware(const std::string& link) {
  return ::access(("/sys/class/net/" + link + "/device").c_str(), F_OK) == 0;
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

ResumeWatch::ResumeWatch(OnResume on_resume, OnFailed on_failed)
    : on_resume_(std::move(on_resume)),
      on_failed_(std::move(on_failed)),
      uevents_(open_netlink(NETLINK_KOBJECT_UEVENT, kernel_events,
                            "a new VM generation is noticed by the clocks alone")),
      route_(open_netlink(NETLINK_ROUTE, RTMGRP_LINK, "a link that comes back is not noticed")),
      clock_set_(open_clock_set()),
      thread_([this] {
        run_work([this] { run(); }, [this](const std::string& why) { on_failed_(why); },
                 [this](Duration gap) { return wait_for(-1, 0, stop_, gap) == Wake::timeout; });
      }) {}

ResumeWatch::~ResumeWatch() { stop_.wake(); }

std::optional<std::string> LinkWatch::hear(
    std::string_view messages, const std::function<bool(const std::string&)>& is_hardware) {
  std::optional<std::string> back;
  while (messages.size() >= NLMSG_HDRLEN) {
    nlmsghdr head{};
    std::memcpy(&head, messages.data(), sizeof head);
    if (head.nlmsg_len < NLMSG_HDRLEN || head.nlmsg_len > messages.size()) break;
    std::string_view body = messages.substr(NLMSG_HDRLEN, head.nlmsg_len - NLMSG_HDRLEN);
    messages.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(head.nlmsg_len), messages.size()));
    ifinfomsg link{};
    if (body.size() < sizeof link) continue;
    std::memcpy(&link, body.data(), sizeof link);
    if (head.nlmsg_type == RTM_DELLINK) works_.erase(link.ifi_index);
    if (head.nlmsg_type != RTM_NEWLINK) continue;
    const bool works = (link.ifi_flags & IFF_UP) != 0 && (link.ifi_flags & IFF_RUNNING) != 0;
    const auto known = works_.find(link.ifi_index);
    const bool was_lost = known != works_.end() && !known->second;
    works_[link.ifi_index] = works;
    if (!works || !was_lost) continue;
    body.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(sizeof link), body.size()));
    while (body.size() >= sizeof(rtattr)) {
      rtattr attribute{};
      std::memcpy(&attribute, body.data(), sizeof attribute);
      if (attribute.rta_len < sizeof attribute || attribute.rta_len > body.size()) break;
      if (attribute.rta_type == IFLA_IFNAME) {
        const std::string_view text =
            body.substr(sizeof attribute, attribute.rta_len - sizeof attribute);
        const std::string name(text.substr(0, text.find('\0')));
        if (is_hardware(name)) back = name;
      }
      body.remove_prefix(std::min<std::size_t>(RTA_ALIGN(attribute.rta_len), body.size()));
    }
  }
  return back;
}

bool ResumeWatch::hear_uevents() {
  bool heard = false;
  hear_netlink(uevents_.get(),
               [&](std::string_view event) { heard = heard || tells_new_generation(event); });
  return heard;
}

std::optional<std::string> ResumeWatch::hear_links() {
  std::optional<std::string> back;
  hear_netlink(route_.get(), [&](std::string_view messages) {
    if (auto name = links_.hear(messages, has_hardware)) back = std::move(name);
  });
  return back;
}

void ResumeWatch::run() {
  ClockJumps jumps(read_clocks());
  const Clock clock;
  std::string pending;
  TimePoint not_before{};
  TimePoint next_link{};
  for (;;) {
    std::array<pollfd, 4> ready{pollfd{stop_.fd(), POLLIN, 0}, pollfd{uevents_.get(), POLLIN, 0},
                                pollfd{clock_set_.get(), POLLIN, 0},
                                pollfd{route_.get(), POLLIN, 0}};
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
    if (ready[3].revents != 0) {
      const auto link = hear_links();
      if (link && pending.empty() && clock.now() >= next_link) {
        pending = fmt::format("the link {} was lost and has come back", *link);
        next_link = clock.now() + least_link_gap;
      }
    }
    if (auto jump = jumps.look(read_clocks()); jump && pending.empty()) pending = std::move(*jump);
    if (pending.empty() || clock.now() < not_before) continue;
    not_before = clock.now() + least_gap;
    on_resume_(std::exchange(pending, {}));
  }
}

}  // namespace qanat::machine
