#include "share/visitors.h"

namespace qanat::share {

Visitors::Visitors(Dispenser& dispenser, std::string name, const Terms& terms)
    : dispenser_(dispenser),
      name_(std::move(name)),
      terms_(terms),
      together_(terms.rate > 0 ? std::make_shared<Flow>(dispenser.open_flow(name_, terms))
                               : nullptr) {}

std::shared_ptr<Flow> Visitors::of(std::uint64_t block) {
  if (together_) return together_;
  {
    const MutexLock lock(mutex_);
    if (auto flow = find_locked(block).flow.lock()) return flow;
  }
  // With no lock held: the dispenser calls others back.
  auto made = std::make_shared<Flow>(dispenser_.open_flow(name_, terms_));
  const MutexLock lock(mutex_);
  Block& known = find_locked(block);
  if (auto flow = known.flow.lock()) return flow;
  known.flow = made;
  return made;
}

Visitors::Entry Visitors::come_in(std::uint64_t block, std::size_t most_of_block, std::size_t most,
                                  Place& place) {
  const MutexLock lock(mutex_);
  Block& known = find_locked(block);
  if (known.connections >= most_of_block) return Entry::too_many_of_block;
  if (connections_ >= most) return Entry::full;
  ++known.connections;
  ++connections_;
  place = Place(this, block);
  return Entry::in;
}

std::size_t Visitors::connections_of(std::uint64_t block) {
  const MutexLock lock(mutex_);
  const auto found = blocks_.find(block);
  return found == blocks_.end() ? 0 : found->second.connections;
}

void Visitors::leave_block(std::uint64_t block) {
  const MutexLock lock(mutex_);
  --find_locked(block).connections;
}

void Visitors::leave(std::uint64_t block, bool named) {
  const MutexLock lock(mutex_);
  if (!named) --find_locked(block).connections;
  --connections_;
}

void Visitors::Place::has_name() {
  if (visitors_ == nullptr || named_) return;
  named_ = true;
  visitors_->leave_block(block_);
}

void Visitors::Place::leave() {
  if (visitors_ != nullptr) std::exchange(visitors_, nullptr)->leave(block_, named_);
}

Visitors::Block& Visitors::find_locked(std::uint64_t block) {
  // Those who have left are forgotten whenever the table has doubled: it is never more than twice
  // what is in use.
  constexpr std::size_t least_sweep = 64;
  if (blocks_.size() > std::max(least_sweep, 2 * swept_at_)) {
    std::erase_if(blocks_, [&](const auto& entry) {
      return entry.first != block && entry.second.connections == 0 && entry.second.flow.expired();
    });
    swept_at_ = blocks_.size();
  }
  return blocks_[block];
}

}  // namespace qanat::share
