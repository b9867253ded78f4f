#include "entropy/reserve.h"

#include <algorithm>
#include <utility>

namespace qanat::entropy {

std::size_t Reserve::put(SourceId source, Bytes bytes) {
  const std::size_t n = std::min(bytes.size(), room());
  if (n == 0) return 0;
  const MutableBytes ring = ring_.view();
  const std::size_t tail = (head_ + fill_) % ring.size();
  const std::size_t until_end = std::min(n, ring.size() - tail);
  std::copy_n(bytes.begin(), until_end, ring.begin() + static_cast<std::ptrdiff_t>(tail));
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(until_end), n - until_end, ring.begin());
  fill_ += n;
  if (!runs_.empty() && runs_.back().source == source) {
    runs_.back().bytes += n;
  } else {
    runs_.push_back({source, n});
  }
  return n;
}

std::vector<Run> Reserve::take(MutableBytes out) {
  const MutableBytes ring = ring_.view();
  std::size_t done = 0;
  while (done < out.size()) {
    const std::size_t n = std::min(out.size() - done, ring.size() - head_);
    const MutableBytes piece = ring.subspan(head_, n);
    std::copy(piece.begin(), piece.end(), out.begin() + static_cast<std::ptrdiff_t>(done));
    wipe(piece);
    head_ = (head_ + n) % ring.size();
    done += n;
  }
  fill_ -= out.size();
  return pop_runs(out.size());
}

std::vector<Run> Reserve::drain() {
  wipe(ring_.view());
  return pop_runs(std::exchange(fill_, 0));
}

std::vector<Run> Reserve::pop_runs(std::size_t bytes) {
  std::vector<Run> popped;
  while (bytes > 0) {
    Run& oldest = runs_.front();
    const std::size_t n = std::min(bytes, oldest.bytes);
    popped.push_back({oldest.source, n});
    oldest.bytes -= n;
    bytes -= n;
    if (oldest.bytes == 0) runs_.pop_front();
  }
  return popped;
}

}  // namespace qanat::entropy
