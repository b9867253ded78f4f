#include "machine/systemd.h"

#include <fmt/core.h>

#include <cstdint>
#include <ctime>

#ifdef QANAT_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

namespace qanat::machine {

void tell_systemd(const std::string& state) {
#ifdef QANAT_SYSTEMD
  ::sd_notify(0, state.c_str());
#else
  (void)state;
#endif
}

void tell_reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t us = std::int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
  tell_systemd(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", us));
}

std::optional<Duration> watchdog_time() {
#ifdef QANAT_SYSTEMD
  std::uint64_t us = 0;
  if (::sd_watchdog_enabled(0, &us) > 0) return std::chrono::microseconds(us);
#endif
  return std::nullopt;
}

}  // namespace qanat::machine
