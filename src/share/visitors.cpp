#include "share/visitors.h"

namespace qanat::share {

Visitors::Visitors(Dispenser& dispenser, std::string name, const Terms& terms)
    : dispenser_(dispenser), name_(std::move(name)), terms_(terms) {
  if (terms.rate > 0) together_ = std::make_shared<Flow>(dispenser.open_flow(name_, terms));
}

std::shared_ptr<Flow> Visitors::of(std::uint64_t block) {
  if (together_) return together_;
  {
    const std::scoped_lock lock(mutex_);
    if (auto flow = find_locked(block).flow.lock()) return flow;
  }
  // With no lock held: the dispenser calls others back.
  auto made = std::make_shared<Flow>(dispenser_.open_flow(name_, terms_));
  const std::scoped_lock lock(mutex_);
  Block& known = find_locked(block);
  if (auto flow = known.flow.lock()) return flow;
  known.flow = made;
  return made;
}

Visitors::Entry Visitors::come_in(std::uint64_t block, std::size_t most_of_block,
                                  std::size_t most) {
  const std::scoped_lock lock(mutex_);
  if (connections_ >= most) return Entry::full;
  Block& known = find_locked(block);
  if (known.connections >= most_of_block) return Entry::too_many_of_block;
  ++known.connections;
  ++connections_;
  return Entry::in;
}

void Visitors::leave(std::uint64_t block) {
  const std::scoped_lock lock(mutex_);
  --find_locked(block).connections;
  --connections_;
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
