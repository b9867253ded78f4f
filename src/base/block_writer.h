// Writes into a block of memory, and never beyond its end.
#pragma once

#include <algorithm>

#include "base/secret.h"

namespace qanat {

// What fits is written, and what does not is handed back: a caller whose block is full sends it,
// and goes on with the rest. So no length that a peer chooses can lead past the end of a block.
// Wipes what it wrote.
class BlockWriter {
 public:
  explicit BlockWriter(MutableBytes block) : block_(block) {}
  BlockWriter(const BlockWriter&) = delete;
  BlockWriter& operator=(const BlockWriter&) = delete;
  ~BlockWriter() { clear(); }

  // As much of `bytes` as there is room for; what is left over.
  [[nodiscard]] Bytes put(Bytes bytes) {
    const MutableBytes place = claim(bytes.size());
    std::copy_n(bytes.begin(), place.size(), place.begin());
    return bytes.subspan(place.size());
  }
  // The next `wanted` bytes, for the caller to fill: fewer when there is no more room.
  MutableBytes claim(std::size_t wanted) {
    const MutableBytes place = block_.subspan(used_, std::min(wanted, room()));
    used_ += place.size();
    return place;
  }
  std::size_t room() const { return block_.size() - used_; }
  Bytes written() const { return block_.first(used_); }
  // Begins anew.
  void clear() {
    wipe(block_.first(used_));
    used_ = 0;
  }

 private:
  const MutableBytes block_;
  std::size_t used_ = 0;
};

}  // namespace qanat
