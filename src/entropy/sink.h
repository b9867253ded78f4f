// Where full-entropy bytes go. Implemented by share::Dispenser; sources know only this.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/clock.h"
#include "entropy/ledger.h"

namespace qanat::entropy {

// The time between two renewals. What was read or conditioned in an earlier one may be in another
// copy of this machine, too: it is credited to nobody.
using Epoch = std::uint64_t;

// Thread-safe.
class Sink {
 public:
  virtual ~Sink() = default;
  // How many more bytes would be kept now: room to the target, and what readers wait for.
  virtual std::size_t wanted() const = 0;
  // Now. Whoever reads or asks for bytes looks first, and says with them what it saw.
  virtual Epoch epoch() const = 0;
  // Credits `full_entropy` to `source`. What finds no room is discarded, and accounted so. False,
  // and nothing was credited, when they are of an earlier epoch.
  virtual bool credit(SourceId source, Bytes full_entropy, Epoch epoch, TimePoint now) = 0;
  // `source` gives nothing until its next credit: it has failed or gone.
  virtual void lost(SourceId source, TimePoint now) = 0;
};

}  // namespace qanat::entropy
