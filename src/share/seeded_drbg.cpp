#include "share/seeded_drbg.h"

#include <utility>

namespace qanat::share {

using entropy::DrbgPool;

std::shared_ptr<SeededDrbg> SeededDrbg::make(Dispenser& dispenser, std::size_t slots,
                                             entropy::ReseedPolicy policy) {
  return std::shared_ptr<SeededDrbg>(new SeededDrbg(dispenser, slots, policy));
}

SeededDrbg::SeededDrbg(Dispenser& dispenser, std::size_t slots, entropy::ReseedPolicy policy)
    : dispenser_(dispenser),
      flow_(dispenser.open_flow("drbg")),
      tickets_(slots),
      pool_(slots, policy, [this](std::size_t slot) { order(slot); }) {}

void SeededDrbg::order(std::size_t slot) {
  // Requested with no lock held: another's callback may run inside.
  Ticket place = dispenser_.request_seed(flow_.id(), DrbgPool::seed_bytes, !pool_.seeded(slot),
                                         [weak = weak_from_this(), slot] {
                                           if (const auto self = weak.lock()) self->fulfil(slot);
                                         });
  {
    const MutexLock lock(mutex_);
    tickets_[slot] = std::move(place);
  }
  fulfil(slot);
}

void SeededDrbg::fulfil(std::size_t slot) {
  Ticket place;
  {
    const MutexLock lock(mutex_);
    if (!tickets_[slot].ready()) return;
    place = std::move(tickets_[slot]);
  }
  try {
    WipedArray<DrbgPool::seed_bytes> seed;
    Withdrawal withdrawal = place.collect(seed.view());
    pool_.seed(slot, seed.view());
    withdrawal.spent_on_reseed();
  } catch (...) {
    // Nobody would come back to it: called by whoever brought the bytes.
    pool_.order_again(slot);
    throw;
  }
}

void SeededDrbg::stop() {
  for (std::size_t slot = 0;; ++slot) {
    Ticket given_up;  // ends unlocked: that may be somebody's turn
    const MutexLock lock(mutex_);
    if (slot == tickets_.size()) return;
    given_up = std::move(tickets_[slot]);
  }
}

}  // namespace qanat::share
