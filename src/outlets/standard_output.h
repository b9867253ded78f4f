// Raw bytes on standard output.
#pragma once

#include "outlets/scheduled.h"

namespace qanat::outlets {

class StandardOutput final : public ScheduledOutlet {
 public:
  using ScheduledOutlet::ScheduledOutlet;

 private:
  Result<void> deliver(Bytes random, const Waker& stop) override;
};

}  // namespace qanat::outlets
