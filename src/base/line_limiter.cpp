#include "base/line_limiter.h"

#include <fmt/core.h>

#include <algorithm>

namespace qanat {

namespace {

constexpr std::string_view others = "others";
// A peer may have written it: a line that is kept must not cost more than a line.
constexpr std::size_t longest_kept = 512;

}  // namespace

std::string LineLimiter::Sum::text() const {
  return fmt::format("and {} more in {:.0f} s, the last: {}", lines, seconds(window), last);
}

bool LineLimiter::admit(std::string_view key, std::string_view line, TimePoint now) {
  const MutexLock lock(mutex_);
  auto found = kinds_.find(std::string(key));
  if (found == kinds_.end()) {
    if (kinds_.size() >= most_keys) key = others;
    found = kinds_.try_emplace(std::string(key)).first;
  }
  Kind& kind = found->second;
  // What it held back and nobody asked for yet stays in the sum.
  if (kind.written == 0 || now - kind.began >= window) {
    kind.began = now;
    kind.written = 0;
    next_end_ = std::min(next_end_, now + window);
  }
  if (kind.written < at_once_) {
    ++kind.written;
    return true;
  }
  ++kind.held_back;
  kind.last = line.substr(0, longest_kept);
  return false;
}

std::vector<LineLimiter::Sum> LineLimiter::sums(TimePoint now) {
  std::vector<Sum> out;
  const MutexLock lock(mutex_);
  if (now < next_end_) return out;
  next_end_ = TimePoint::max();
  for (auto at = kinds_.begin(); at != kinds_.end();) {
    Kind& kind = at->second;
    const bool over = now == TimePoint::max() || now - kind.began >= window;
    if (!over) next_end_ = std::min(next_end_, kind.began + window);
    if (over && kind.held_back > 0) {
      out.push_back({at->first, kind.held_back, std::move(kind.last)});
    }
    at = over ? kinds_.erase(at) : std::next(at);
  }
  return out;
}

}  // namespace qanat
