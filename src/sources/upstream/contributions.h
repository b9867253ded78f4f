// What upstreams gave that waits to be credited: enough of it, each of another.
#pragma once

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "crypto/certificate.h"
#include "wire/path.h"

namespace qanat::sources {

struct Contribution {
  std::size_t link = 0;            // which upstream
  std::optional<crypto::Pin> key;  // by which it counts as one of a quorum
  SecretBytes bytes;
  bool full = true;
  wire::Path path;
};

// Not thread-safe.
class Contributions {
 public:
  explicit Contributions(std::size_t quorum) : quorum_(quorum) {}

  std::size_t size() const { return held_.size(); }
  bool enough() const { return held_.size() >= quorum_; }
  bool has_link(std::size_t link) const {
    return std::any_of(held_.begin(), held_.end(),
                       [&](const Contribution& held) { return held.link == link; });
  }
  bool has_key(const crypto::Pin& key) const {
    return std::any_of(held_.begin(), held_.end(),
                       [&](const Contribution& held) { return held.key == key; });
  }
  void add(Contribution contribution) { held_.push_back(std::move(contribution)); }
  // The first that are enough, when there are so many.
  std::vector<Contribution> take() {
    const auto end = held_.begin() + static_cast<std::ptrdiff_t>(quorum_);
    std::vector<Contribution> taken(std::make_move_iterator(held_.begin()),
                                    std::make_move_iterator(end));
    held_.erase(held_.begin(), end);
    return taken;
  }
  // All of them, as nothing is to be made of them.
  std::vector<Contribution> give_up() { return std::exchange(held_, {}); }

 private:
  const std::size_t quorum_;
  std::vector<Contribution> held_;
};

}  // namespace qanat::sources
