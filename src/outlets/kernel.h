// The local kernel's input pool.
#pragma once

#include "base/files.h"
#include "base/timing_noise.h"
#include "serve/scheduled.h"

namespace qanat::outlets {

// Credits with RNDADDENTROPY and makes the kernel use it at once with RNDRESEEDCRNG (random(4)),
// which need CAP_SYS_ADMIN. Without it the bytes are mixed in uncredited, and that is said once. Of
// grade drbg 256 bits a delivery count.
class KernelPool final : public serve::ScheduledOutlet {
 public:
  KernelPool(std::string name, serve::Schedule schedule, const serve::OutletServices& services);

  bool stir(Bytes seed, std::size_t credited) override;
  observe::OutletReport report() const override;

 private:
  void prepare() override;
  std::optional<std::size_t> credited_bits() const override { return credited_bits_; }
  Result<void> deliver(Bytes random, const Waker& stop) override;
  Result<void> give(Bytes bytes, std::size_t credited, Bytes local);

  UniqueFd device_;
  std::atomic<bool> may_credit_{true};
  std::atomic<std::size_t> credited_bits_{0};  // of the last delivery
  TimingNoise noise_;
};

}  // namespace qanat::outlets
