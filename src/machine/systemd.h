// What a service tells systemd, and what systemd asks of it (sd_notify(3)). Where nothing listens,
// nothing happens. Any thread.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace qanat::machine {

// "READY=1", "STOPPING=1", "STATUS=...".
void tell_systemd(const std::string& state);
// That a reload begins; "READY=1" ends it. With the time, which Type=notify-reload wants.
void tell_reloading();

// systemd's WatchdogSec: it restarts a service that does not say "WATCHDOG=1" for so long. nullopt:
// nobody asks.
std::optional<Duration> watchdog_time();

}  // namespace qanat::machine
