#include "entropy/provenance.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace qanat::entropy {

Provenance::Path nearest_first(const Provenance::Path& first,
                               const std::vector<const Provenance::Path*>& lists) {
  Provenance::Path all;
  std::set<std::string_view> named;
  const auto add = [&](const std::string& id) {
    if (named.insert(id).second) all.push_back(id);
  };
  std::size_t longest = 0;
  for (const std::string& id : first) add(id);
  for (const Provenance::Path* list : lists) longest = std::max(longest, list->size());
  for (std::size_t distance = 0; distance < longest; ++distance) {
    for (const Provenance::Path* list : lists) {
      if (distance < list->size()) add((*list)[distance]);
    }
  }
  return all;
}

Provenance::Provenance() {
  const MutexLock lock(mutex_);
  unite();
}

void Provenance::set_own(std::string own) {
  const MutexLock lock(mutex_);
  own_ = std::move(own);
  unite();
}

void Provenance::set(SourceId source, Path ids) {
  const MutexLock lock(mutex_);
  if (ids.empty()) {
    behind_.erase(source);
  } else {
    behind_[source] = std::move(ids);
  }
  unite();
}

void Provenance::unite() {
  const Path own = own_.empty() ? Path() : Path{own_};
  std::vector<const Path*> lists;
  for (const auto& [source, nodes] : behind_) lists.push_back(&nodes);
  all_ = std::make_shared<Path>(nearest_first(own, lists));
}

std::shared_ptr<const Provenance::Path> Provenance::all() const {
  const MutexLock lock(mutex_);
  return all_;
}

}  // namespace qanat::entropy
