#include "entropy/reserve.h"

#include <algorithm>
#include <utility>

namespace qanat::entropy {

std::size_t Reserve::put(SourceId source, Bytes bytes) {
  const std::size_t n = std::min(bytes.size(), room());
  if (n == 0) return 0;
  // The one thing here that may fail comes first.
  if (runs_.empty() || runs_.back().source != source) runs_.push_back({source, 0});
  runs_.back().bytes += n;
  const MutableBytes ring = ring_.view();
  const std::size_t tail = (head_ + fill_) % ring.size();
  const std::size_t until_end = std::min(n, ring.size() - tail);
  std::copy_n(bytes.begin(), until_end, ring.begin() + static_cast<std::ptrdiff_t>(tail));
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(until_end), n - until_end, ring.begin());
  fill_ += n;
  return n;
}

std::vector<Run> Reserve::take(MutableBytes out) {
  std::size_t covered = 0;
  const auto end = std::find_if(runs_.begin(), runs_.end(), [&](const Run& run) {
    const bool enough = covered >= out.size();
    covered += run.bytes;
    return enough;
  });
  std::vector<Run> runs;
  runs.reserve(static_cast<std::size_t>(end - runs_.begin()));
  const std::size_t bytes = out.size();
  pop_bytes(bytes, [&out](Bytes piece) {
    std::copy(piece.begin(), piece.end(), out.begin());
    out = out.subspan(piece.size());
  });
  pop_runs(bytes, [&runs](const Run& run) { runs.push_back(run); });
  return runs;
}

void Reserve::discard(std::size_t bytes, const std::function<void(const Run&)>& each) {
  pop_bytes(bytes, [](Bytes) {});
  pop_runs(bytes, each);
}

template <typename Use>
void Reserve::pop_bytes(std::size_t bytes, const Use& use) {
  const MutableBytes ring = ring_.view();
  fill_ -= bytes;
  while (bytes > 0) {
    const MutableBytes piece = ring.subspan(head_, std::min(bytes, ring.size() - head_));
    use(piece);
    wipe(piece);
    head_ = (head_ + piece.size()) % ring.size();
    bytes -= piece.size();
  }
}

template <typename Each>
void Reserve::pop_runs(std::size_t bytes, const Each& each) {
  while (bytes > 0) {
    Run& oldest = runs_.front();
    const std::size_t n = std::min(bytes, oldest.bytes);
    each(Run{oldest.source, n});
    oldest.bytes -= n;
    bytes -= n;
    if (oldest.bytes == 0) runs_.pop_front();
  }
}

}  // namespace qanat::entropy
