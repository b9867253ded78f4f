// A priority queue whose entries are known by a small number and can be moved and removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace qanat::share {

// The smallest key is at the top; equal keys leave in the order of their numbers. Each of `put` and
// `remove` is logarithmic; memory stays what it was at its fullest. Not thread-safe.
template <typename Key>
class IndexedHeap {
 public:
  using Index = std::uint32_t;

  bool empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  Index top() const { return heap_.front().second; }
  const Key& top_key() const { return heap_.front().first; }
  bool contains(Index index) const { return index < place_.size() && place_[index] != nowhere; }

  // Until then no `put` of a number below `count` needs memory.
  void reserve(std::size_t count) {
    heap_.reserve(count);
    if (count > place_.size()) place_.resize(count, nowhere);
  }
  // Adds `index`, or gives it another key.
  void put(Index index, Key key) {
    if (index >= place_.size()) place_.resize(index + 1, nowhere);
    std::size_t at = place_[index];
    if (at == nowhere) {
      at = heap_.size();
      heap_.emplace_back(key, index);
    }
    heap_[at].first = key;
    sift({key, index}, at);
  }
  // Nothing happens when it is not there.
  void remove(Index index) {
    if (!contains(index)) return;
    const std::size_t at = place_[index];
    place_[index] = nowhere;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (at < heap_.size()) sift(last, at);
  }

 private:
  using Entry = std::pair<Key, Index>;
  static constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();
  // Four children: half the levels of two, and the four lie in one or two cache lines.
  static constexpr std::size_t fan = 4;

  void sift(const Entry& entry, std::size_t at) {
    while (at > 0 && entry < heap_[(at - 1) / fan]) {
      set(at, heap_[(at - 1) / fan]);
      at = (at - 1) / fan;
    }
    for (;;) {
      const std::size_t first = fan * at + 1;
      if (first >= heap_.size()) break;
      const std::size_t end = first + fan < heap_.size() ? first + fan : heap_.size();
      std::size_t least = first;
      for (std::size_t child = first + 1; child < end; ++child) {
        if (heap_[child] < heap_[least]) least = child;
      }
      if (!(heap_[least] < entry)) break;
      set(at, heap_[least]);
      at = least;
    }
    set(at, entry);
  }
  void set(std::size_t at, Entry entry) {
    heap_[at] = entry;
    place_[entry.second] = at;
  }

  std::vector<Entry> heap_;
  std::vector<std::size_t> place_;  // of each index in heap_
};

}  // namespace qanat::share
