// This machine may be a copy of another: what is done then, and in which order.
#pragma once

#include <string>

#include "base/clock.h"
#include "entropy/conditioner.h"
#include "entropy/drbg_pool.h"
#include "machine/generation.h"
#include "machine/reseed_commands.h"
#include "node/running.h"
#include "observe/events.h"
#include "share/dispenser.h"
#include "sources/runner/running_source.h"

namespace qanat::node {

// All that a copy has, too. All outlive it.
struct Renewable {
  const Running& running;
  machine::Generation& generation;
  share::Dispenser& dispenser;
  entropy::ConditioningKey& key;
  entropy::DrbgPool& drbg;
  machine::ReseedCommands& commands;
  observe::Events& events;
  const Clock& clock;
};

// Any thread.
class Renewal {
 public:
  explicit Renewal(Renewable all) : all_(all) {}

  // First the kernel is stirred, with local state and, where the host sent one, a seed, as programs
  // draw from it every microsecond; then the generation goes up, the reserve is discarded, OpenSSL
  // and the DRBGs are reseeded, outlets and sources begin anew, every scheduled outlet delivers,
  // and the operator's commands run. True when the seed's bytes went to the kernel, and are
  // accounted for.
  bool run(const std::string& why, const sources::FreshSeed& seed);

 private:
  bool stir_kernels(const sources::FreshSeed& seed);
  void renew_node(const sources::FreshSeed& seed, bool taken);
  void renew_lists();
  template <typename Work>
  void do_all(const Work& work);

  const Renewable all_;
};

// Start material of a conditioning key: whatever is at hand, credited nothing.
SecretBytes gather_start_material();

}  // namespace qanat::node
