// The jitter of kernel timers and of scheduling: when a thread that sleeps is woken.
#pragma once

#include "base/cycle_counter.h"
#include "sources/source.h"

namespace qanat::sources {

// A sample is the low byte of the time between two wake-ups, in steps of the cycle counter. The
// period is that of a kernel timer, so that lateness does not add up, and a wake-up that comes late
// costs no other. Disarmed while nobody wants bytes.
class Timer final : public Source {
 public:
  explicit Timer(Duration period) : period_(period) {}

  Result<void> open(const Waker&) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  void close() override { timer_.reset(); }
  bool closed_at_rest() const override { return true; }

 private:
  // The time since the last wake-up; nullopt when `waker` was woken first.
  Result<std::optional<std::uint64_t>> await(const Waker& waker);

  const Duration period_;
  UniqueFd timer_;
  std::uint64_t last_ = 0;
  TickStep step_;
  unsigned steps_seen_ = 0;
};

}  // namespace qanat::sources
