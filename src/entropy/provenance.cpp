#include "entropy/provenance.h"

#include <set>

namespace qanat::entropy {

Provenance::Provenance() { unite(); }

void Provenance::set_own(std::string own) {
  const std::scoped_lock lock(mutex_);
  own_ = std::move(own);
  unite();
}

void Provenance::set(SourceId source, Ids ids) {
  const std::scoped_lock lock(mutex_);
  if (ids.empty()) {
    behind_.erase(source);
  } else {
    behind_[source] = std::move(ids);
  }
  unite();
}

void Provenance::unite() {
  std::set<std::string> others;
  for (const auto& [id, nodes] : behind_) others.insert(nodes.begin(), nodes.end());
  others.erase(own_);
  auto all = std::make_shared<Ids>();
  if (!own_.empty()) all->push_back(own_);
  all->insert(all->end(), others.begin(), others.end());
  all_ = std::move(all);
}

std::shared_ptr<const Provenance::Ids> Provenance::all() const {
  const std::scoped_lock lock(mutex_);
  return all_;
}

}  // namespace qanat::entropy
