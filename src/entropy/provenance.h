// Through which nodes the bytes of this node have passed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "entropy/ledger.h"

namespace qanat::entropy {

// This node's id, and the ids that stand behind each source that is another node, as its last
// credited transfer named them. All of them together are what a transfer from here carries: bytes
// of all sources lie in one reserve, and one conditioning key has seen them all. So the union is
// sent, and a node never takes bytes in which its own may be. Thread-safe.
class Provenance {
 public:
  // Ids of nodes, the nearest first.
  using Path = std::vector<std::string>;

  Provenance();

  // This node's id. Set before any thread uses this.
  void set_own(std::string own);
  const std::string& own() const { return own_; }
  // What stands behind `source` from now on; empty when it is gone for good.
  void set(SourceId source, Path ids);
  // This node first, then the others, the nearest first. Never null; cheap, for every transfer, and
  // the same object until it changes.
  std::shared_ptr<const Path> all() const;

 private:
  void unite() REQUIRES(mutex_);

  std::string own_;
  mutable Mutex mutex_;
  std::map<SourceId, Path> behind_ GUARDED_BY(mutex_);
  std::shared_ptr<const Path> all_ GUARDED_BY(mutex_);
};

// `first`, and then each id of the lists once, by its place there, which is its distance: so
// whoever has to cut it short names the nearest, and no long list displaces the neighbours in
// another.
Provenance::Path nearest_first(const Provenance::Path& first,
                               const std::vector<const Provenance::Path*>& lists);

}  // namespace qanat::entropy
