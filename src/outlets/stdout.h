// Raw bytes on standard output.
#pragma once

#include "serve/scheduled.h"

namespace qanat::outlets {

class StandardOutput final : public serve::ScheduledOutlet {
 public:
  using serve::ScheduledOutlet::ScheduledOutlet;

 private:
  Result<void> deliver(Bytes random, const Waker& stop) override;
};

}  // namespace qanat::outlets
