// In the place of an outlet that could not start, and that nobody asked for by name.
#pragma once

#include <string>
#include <utility>

#include "serve/outlet.h"

namespace qanat::serve {

// Says so in the status.
class AbsentOutlet final : public Outlet {
 public:
  AbsentOutlet(std::string name, std::string problem)
      : name_(std::move(name)), problem_(std::move(problem)) {}

  void start() override {}
  void drain() override {}
  bool idle() const override { return true; }
  void stop() override {}
  bool absent() const override { return true; }
  observe::OutletReport report() const override {
    return {.name = name_, .detail = "does not run", .problem = problem_, .refused = {}};
  }

 private:
  const std::string name_;
  const std::string problem_;
};

}  // namespace qanat::serve
