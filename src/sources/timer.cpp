#include "sources/timer.h"

#include <fmt/core.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {

using namespace std::chrono_literals;

namespace {

// A wake-up costs 20 us, and 50 to 100 where the processor slept, on the virtual machines measured
// (docs/sources.md): less than 1 % of a core. And where each core is busy, a thread that wakes
// waits for a slice of somebody else's, 3 ms on current kernels: timers that are finer than that
// lose wake-ups to the load.
constexpr Duration usual_period = 16ms;
constexpr Duration least_period = 1ms;
constexpr Duration most_period = 1s;
// Wake-ups that tell the counter's step.
constexpr unsigned step_wakeups = 32;

}  // namespace

Result<void> Timer::open(const Waker& /*stop*/) {
  timer_ = UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) return error(with_errno("cannot make a timer", errno));
  const auto nanoseconds = static_cast<long>(period_.count());
  constexpr long second = 1'000'000'000;
  const timespec period{nanoseconds / second, nanoseconds % second};
  const itimerspec setting{period, period};
  if (::timerfd_settime(timer_.get(), 0, &setting, nullptr) != 0) {
    return error(with_errno("cannot set a timer", errno));
  }
  last_ = 0;
  return {};
}

Result<std::optional<std::uint64_t>> Timer::await(const Waker& waker) {
  for (;;) {
    if (wait_for(timer_.get(), POLLIN, waker, std::nullopt) == Wake::woken) return std::nullopt;
    const std::uint64_t now = ticks();
    std::uint64_t expirations = 0;
    if (::read(timer_.get(), &expirations, sizeof expirations) < 0) {
      if (errno == EAGAIN || errno == EINTR) continue;
      return error(with_errno("cannot read a timer", errno));
    }
    const std::uint64_t before = std::exchange(last_, now);
    // The first wake-up after an opening follows none.
    if (before != 0) return now - before;
  }
}

Result<std::size_t> Timer::read(MutableBytes out, const Waker& waker) {
  for (;;) {
    const auto delta = await(waker);
    if (!delta) return tl::unexpected(delta.error());
    if (!*delta) return std::size_t{0};
    if (steps_seen_ == step_wakeups) {
      out[0] = static_cast<std::uint8_t>(**delta / step_.get());
      return std::size_t{1};
    }
    step_.add(**delta);
    ++steps_seen_;
  }
}

namespace {

SourcePlan read_timer(const spec::Spec& spec, entropy::Claim usual) {
  const Duration period = spec::duration_of(spec, "every", usual_period, least_period);
  if (period > most_period) {
    throw Failure(
        fmt::format("{}: every={} is too slow for a window of 512 samples; write 1ms to 1s",
                    spec.text, *spec.option("every")));
  }
  return {.name = spec.text, .claim = spec::claim_of(spec, usual), .make = [period] {
            return std::make_unique<Timer>(period);
          }};
}

}  // namespace

// The best estimate of captures was above 5 bits, idle and loaded (docs/sources.md); a quarter of
// it, less, as on other machines and kernels timers are finer or the counter is coarser.
extern const SourceType timer_type{
    .name = "timer",
    .usual = {1, true},
    .options = "every",
    .summary = "when the kernel's timers wake a thread",
    .read = read_timer,
};

}  // namespace qanat::sources
