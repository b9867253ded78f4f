// Notices that this machine was asleep, or may be a copy of another.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "base/waker.h"

namespace qanat::machine {

// The machine's clocks at one moment, each since its own beginning.
struct ClockReading {
  Duration boot{};       // CLOCK_BOOTTIME: goes on while the machine sleeps
  Duration monotonic{};  // CLOCK_MONOTONIC: does not
  Duration real{};       // CLOCK_REALTIME: is set
};
ClockReading read_clocks();

// Finds jumps between readings. Not thread-safe.
class ClockJumps {
 public:
  explicit ClockJumps(const ClockReading& now) : last_(now) {}
  // What has happened since the last look: "the machine slept for 3.2 s", "the clock was set
  // forward by 5 min". nullopt when nothing has. Slewing (500 ppm at most) is nothing.
  std::optional<std::string> look(const ClockReading& now);

 private:
  ClockReading last_;
};

// Whether a message of the kernel's (netlink, NETLINK_KOBJECT_UEVENT) says that the hypervisor has
// made this machine from a snapshot: NEW_VMGENID=1, from few kernels. Total.
bool tells_new_generation(std::string_view uevent);

// Which network links of this machine work, by what the kernel says (rtnetlink(7), RTM_NEWLINK):
// one that was lost and has come back may have another machine at its end, or be another's. Not
// thread-safe.
class LinkWatch {
 public:
  // Takes the messages of one read. The name of a link that has come back ("eth0"); nullopt when
  // none has. Only links with hardware behind them, real or virtual, as `is_hardware` says by name:
  // those of containers and of this machine's own guests come and go all day. Total.
  std::optional<std::string> hear(std::string_view messages,
                                  const std::function<bool(const std::string&)>& is_hardware);

 private:
  std::map<int, bool> works_;  // by index
};

// A thread that sleeps until the kernel has news: a uevent, a link that comes back, or a clock that
// was set (which resuming from sleep does too). Every ten seconds it looks at the clocks all the
// same.
class ResumeWatch {
 public:
  // Called on the watch's thread, at most once a second.
  using OnResume = std::function<void(const std::string& why)>;
  // Called, on the same thread, when the watch has ended by an exception; it begins again.
  using OnFailed = std::function<void(const std::string& why)>;
  ResumeWatch(OnResume on_resume, OnFailed on_failed);
  ~ResumeWatch();

 private:
  void run();
  bool hear_uevents();
  std::optional<std::string> hear_links();

  const OnResume on_resume_;
  const OnFailed on_failed_;
  const Waker stop_;
  UniqueFd uevents_;
  UniqueFd route_;
  LinkWatch links_;
  UniqueFd clock_set_;
  std::jthread thread_;
};

}  // namespace qanat::machine
