// How many full-entropy bytes to ask a hub for at once.
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/clock.h"

namespace qanat::peers {

// So many that an answer takes from half a second to two: few enough for the share that the hub has
// for us and for its patience, many beside the cost of a request.
class TransferSize {
 public:
  static constexpr std::size_t least = 64;
  static constexpr std::size_t most = 16384;

  std::size_t bytes() const { return bytes_; }
  // How long a request for `asked` bytes may stand in line, where one for the least may for
  // `longest`: a large one was chosen while the hub had much in store. When a crowd has emptied
  // that, it would stand there for minutes, and nothing come meanwhile; a smaller one is served.
  static constexpr Duration patience(std::size_t asked, Duration longest) {
    return asked <= least ? longest : std::min<Duration>(longest, std::chrono::seconds(10));
  }
  // After an answer that took so long. Down as far as needed, up by one step: in a burst of a
  // store's nobody knows how long it lasts.
  void answered(Duration took) {
    if (took < std::chrono::milliseconds(500)) bytes_ = std::min(2 * bytes_, most);
    for (; took > std::chrono::seconds(2) && bytes_ > least; took /= 2) {
      bytes_ = std::max(bytes_ / 2, least);
    }
  }
  // After "not so much in time" (429, 503) to a request for `asked` bytes: whether fewer are worth
  // a try, at once.
  bool refused(std::size_t asked) {
    if (asked <= least) return false;
    bytes_ = std::max(asked / 4, least);
    return true;
  }

 private:
  // The least at first: a cold hub that a thousand others ask at once has no more for anybody.
  std::size_t bytes_ = least;
};

}  // namespace qanat::peers
