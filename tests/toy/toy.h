// The smallest outlet: lines of hex digits in a file. CONTRIBUTING.md, "Add an outlet in ten
// minutes".
#pragma once

#include <string>

#include "base/files.h"
#include "serve/scheduled.h"

namespace qanat::outlets {

// Appends a line a delivery.
class Toy final : public serve::ScheduledOutlet {
 public:
  Toy(std::string name, std::string path, serve::Schedule schedule,
      const serve::OutletServices& services)
      : ScheduledOutlet(std::move(name), schedule, services), path_(std::move(path)) {}

 private:
  // A path that cannot be opened is said at the start: an outlet that was named must start.
  void prepare() override;
  Result<void> deliver(Bytes random, const Waker& stop) override;

  const std::string path_;
  UniqueFd file_;
};

}  // namespace qanat::outlets
