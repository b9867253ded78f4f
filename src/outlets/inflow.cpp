#include "outlets/inflow.h"

#include "crypto/aead.h"

namespace qanat::outlets {

using entropy::SourceState;

Inflow::Inflow(std::string name, entropy::Claim claim, const OutletServices& services)
    : name_(std::move(name)),
      services_(services),
      intake_(services.dispenser.open_source(name_), claim, services.key, services.dispenser,
              crypto::random_seed(), [this](const std::string& text, bool alarm) {
                {
                  const std::scoped_lock lock(mutex_);
                  detail_ = alarm ? text : "";
                }
                services_.on_event(name_, text, alarm);
              }) {}

bool Inflow::wanted(TimePoint now) {
  if (intake_.state() == SourceState::failed) {
    if (now < intake_.retry_at()) return false;
    intake_.try_again();
  }
  return intake_.due(services_.dispenser.demand(), now);
}

void Inflow::take(Bytes samples, TimePoint began, TimePoint now) {
  intake_.samples(samples, began, now);
}

void Inflow::came() {
  {
    const std::scoped_lock lock(mutex_);
    ++connections_;
  }
  intake_.back();
}

void Inflow::left(TimePoint now) {
  {
    const std::scoped_lock lock(mutex_);
    if (--connections_ > 0) return;
  }
  intake_.gone("the peer has hung up", now);
}

InflowReport Inflow::report() const {
  // Before the lock: the intake calls back with its own held.
  const entropy::IntakeReport intake = intake_.report();
  const std::scoped_lock lock(mutex_);
  return {name_, detail_, intake_.claim(), intake, intake_.id()};
}

}  // namespace qanat::outlets
