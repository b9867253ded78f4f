#include "serve/inflow.h"

#include <new>

#include "crypto/aead.h"

namespace qanat::serve {

using entropy::SourceState;

Inflow::Inflow(std::string name, entropy::Claim claim, const OutletServices& services)
    : name_(std::move(name)),
      services_(services),
      intake_(services.dispenser.open_source(name_), claim, services.key, services.dispenser,
              crypto::random_seed(), [this](const std::string& text, EventKind kind) {
                services_.on_event(name_, text, kind);
              }) {}

bool Inflow::wanted(TimePoint now) {
  if (intake_.state() == SourceState::failed) {
    if (now < intake_.retry_at()) return false;
    intake_.try_again();
  }
  return intake_.due(services_.dispenser.demand(), now);
}

void Inflow::take(Bytes samples, entropy::Epoch epoch, TimePoint began, TimePoint now) {
  intake_.samples(samples, epoch, began, now);
}

void Inflow::came() {
  ++connections_;
  intake_.back();
}

void Inflow::left(TimePoint now) {
  if (--connections_ > 0) return;
  try {
    intake_.gone("the peer has hung up", now);
  } catch (const std::bad_alloc&) {
    return;  // the end of a connection is no place to fail; the next one that comes is welcome
  }
}

observe::InflowReport Inflow::report() const {
  return {name_, intake_.claim(), intake_.report(), intake_.id()};
}

}  // namespace qanat::serve
