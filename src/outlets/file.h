// A boot seed: a file that carries entropy over a restart.
#pragma once

#include "serve/scheduled.h"

namespace qanat::outlets {

// Written in one step, mode 0600. A seed that is there at the start is used once, mixed into the
// kernel without credit (a copied disk has the same one), and replaced *before* it is used: a
// machine that crashes in between never uses it again.
class SeedFile final : public serve::ScheduledOutlet {
 public:
  SeedFile(std::string name, std::string path, serve::Schedule schedule,
           const serve::OutletServices& services);

 private:
  void prepare() override;
  Result<void> deliver(Bytes random, const Waker& stop) override;

  const std::string path_;
};

}  // namespace qanat::outlets
