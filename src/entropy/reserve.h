// The store of full-entropy bytes: first in, first out, each byte out once and wiped behind it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "base/secret.h"
#include "entropy/ledger.h"

namespace qanat::entropy {

// Bytes of one source that lie side by side.
struct Run {
  SourceId source;
  std::size_t bytes;
};

// Not thread-safe; share::Dispenser guards it.
class Reserve {
 public:
  explicit Reserve(std::size_t capacity_bytes) : ring_(capacity_bytes) {}

  std::size_t capacity() const { return ring_.size(); }
  std::size_t fill() const { return fill_; }
  std::size_t room() const { return capacity() - fill_; }

  // Stores the first room() bytes; how many that were.
  std::size_t put(SourceId source, Bytes bytes);
  // Moves the oldest out.size() bytes out and says whose they were. Precondition: fill() suffices.
  std::vector<Run> take(MutableBytes out);
  // Wipes the oldest `bytes` and tells `each` whose they were. The same precondition; it needs no
  // memory, and so cannot fail.
  void discard(std::size_t bytes, const std::function<void(const Run&)>& each);

 private:
  // Calls `use` with the oldest `bytes`, which lie in one piece or two, and wipes them.
  template <typename Use>
  void pop_bytes(std::size_t bytes, const Use& use);
  template <typename Each>
  void pop_runs(std::size_t bytes, const Each& each);

  SecretBytes ring_;
  std::size_t head_ = 0;  // oldest byte
  std::size_t fill_ = 0;
  std::deque<Run> runs_;  // oldest first; their sum is fill_
};

}  // namespace qanat::entropy
