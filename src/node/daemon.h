// The manners of a program that runs in the foreground: signals, and what systemd wants to be told.
#pragma once

#include <functional>

#include "base/clock.h"

namespace qanat::node {

// Once, at the start of the program and before any thread: signals are blocked and waited for,
// SIGPIPE is ignored, no core dump may hold secrets, and as many descriptors are allowed as the
// system permits.
void prepare_process();

enum class Signal { stop, reload, now, none };

// Waits for SIGTERM or SIGINT (stop), SIGHUP (reload), SIGUSR1 (now), or `limit` (none; zero: for
// ever).
Signal wait_for_signal(Duration limit = Duration::zero());
// Makes a wait_for_signal in the main thread return `now`. From any thread.
void nudge();

// sd_notify(3); nothing where systemd does not listen.
void tell_systemd(const char* state);

}  // namespace qanat::node
