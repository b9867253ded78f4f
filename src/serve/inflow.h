// What a peer delivers to an outlet whose protocol goes both ways: tested, conditioned and credited
// as a source's samples are.
#pragma once

#include <atomic>
#include <string>

#include "entropy/intake.h"
#include "serve/outlet.h"

namespace qanat::serve {

// Of one name; several connections may deliver under it, which are one source then. Thread-safe.
class Inflow {
 public:
  Inflow(std::string name, entropy::Claim claim, const OutletServices& services);

  // Whether samples are worth having now.
  bool wanted(TimePoint now);
  // `epoch`: of the connection's beginning. What it brings after a renewal is thrown away.
  void take(Bytes samples, entropy::Epoch epoch, TimePoint began, TimePoint now);
  // A connection that delivers has come, or ended.
  void came();
  void left(TimePoint now);
  observe::InflowReport report() const;

 private:
  const std::string name_;
  const OutletServices& services_;
  entropy::Intake intake_;
  std::atomic<std::size_t> connections_{0};
};

}  // namespace qanat::serve
