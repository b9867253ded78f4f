#include "share/visitors.h"

namespace qanat::share {

Visitors::Visitors(Dispenser& dispenser, std::string name, const Terms& terms)
    : dispenser_(dispenser), name_(std::move(name)), terms_(terms) {
  if (terms.rate > 0) together_ = std::make_shared<Flow>(dispenser.open_flow(name_, terms));
}

std::shared_ptr<Flow> Visitors::of(std::uint64_t block) {
  if (together_) return together_;
  const std::scoped_lock lock(mutex_);
  std::weak_ptr<Flow>& known = blocks_[block];
  if (auto flow = known.lock()) return flow;
  auto flow = std::make_shared<Flow>(dispenser_.open_flow(name_, terms_));
  known = flow;
  // Those who have left are forgotten whenever the table has doubled: it is never more than twice
  // what is in use.
  constexpr std::size_t least_sweep = 64;
  if (blocks_.size() > std::max(least_sweep, 2 * swept_at_)) {
    std::erase_if(blocks_, [](const auto& entry) { return entry.second.expired(); });
    swept_at_ = blocks_.size();
  }
  return flow;
}

}  // namespace qanat::share
