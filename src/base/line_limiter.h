// How many lines of one kind are written, where somebody else decides how many there are: the
// first ones at once, then a sum.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"

namespace qanat {

// A kind is a key: what is said, and of whom. Its window begins with its first line; `at_once`
// lines of a window are written, the rest is counted. Thread-safe. It reads no clock.
class LineLimiter {
 public:
  static constexpr Duration window = std::chrono::seconds(60);
  // Keys that are remembered at once. Beyond, all new ones are one.
  static constexpr std::size_t most_keys = 1024;

  explicit LineLimiter(std::size_t at_once) : at_once_(at_once) {}

  // Whether this line is written. Else it is counted, and `line` kept until the next of its kind.
  bool admit(std::string_view key, std::string_view line, TimePoint now);

  // What was held back of one kind in a window that is over.
  struct Sum {
    std::string key;
    std::uint64_t lines = 0;
    std::string last;

    // "and 512 more in 60 s, the last: ..."
    std::string text() const;
  };
  // Those of which nobody has told yet; each is given once.
  std::vector<Sum> sums(TimePoint now);
  // Those of windows that are under way too: the program ends.
  std::vector<Sum> all_sums() { return sums(TimePoint::max()); }

 private:
  struct Kind {
    TimePoint began{};
    std::size_t written = 0;
    std::uint64_t held_back = 0;
    std::string last;
  };

  const std::size_t at_once_;
  Mutex mutex_;
  std::unordered_map<std::string, Kind> kinds_ GUARDED_BY(mutex_);
  TimePoint next_end_ GUARDED_BY(mutex_) = TimePoint::max();  // of the first window that ends
};

}  // namespace qanat
