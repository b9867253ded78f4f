// Where full-entropy bytes go. Implemented by share::Dispenser; sources know only this.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "entropy/ledger.h"

namespace qanat::entropy {

// Thread-safe.
class Sink {
 public:
  virtual ~Sink() = default;
  // How many more bytes would be kept now: room to the target, and what readers wait for.
  virtual std::size_t wanted() const = 0;
  // Credits `full_entropy` to `source`. What finds no room is discarded, and accounted so.
  virtual void credit(SourceId source, Bytes full_entropy, TimePoint now) = 0;
  // `source` gives nothing until its next credit: it has failed or gone.
  virtual void lost(SourceId source, TimePoint now) = 0;
};

}  // namespace qanat::entropy
