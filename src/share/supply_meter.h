// What the sources have proved that they deliver.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "entropy/ledger.h"

namespace qanat::share {

// Sources work only while bytes are wanted, so only that time counts. It is cut into windows: each
// ends after at least a second in which at least 4 KiB were credited, after 30 s in any case, and
// when nobody wants bytes any more (if it has 4 KiB by then). Of the last eight windows
//   - `proved` is the second lowest rate: one bad second changes nothing, two lower it at once, and
//     it rises only when seven windows in eight have shown more. A window counts as a second at
//     least: what comes in a moment may come from a store (another node's reserve), and no flow is
//     proved by it;
//   - `usual` is the median, of true lengths.
// A window that is still open and has its 4 KiB overdue lowers both: a source that has fallen
// silent without an error is noticed within seconds. A source that is lost (failed, gone) is taken
// out of all windows at once, and has to prove itself again. A gap of more than a minute between
// two calls says nothing about sources: its window is dropped.
//
// Not thread-safe; reads no clock.
class SupplyMeter {
 public:
  static constexpr std::size_t windows = 8;
  static constexpr std::size_t window_bytes = 4096;

  // Whether bytes are wanted. Called when that changes; may be called more often.
  void demand(bool wanted, TimePoint now);
  void credit(entropy::SourceId source, std::size_t bytes, TimePoint now);
  // Time has passed.
  void tick(TimePoint now);
  void lost(entropy::SourceId source);

  // Bytes per second. 0 while nothing has been proved.
  double proved(TimePoint now) const { return ranked(now, 1, shortest_window); }
  double usual(TimePoint now) const { return ranked(now, windows / 2, shortest_moment); }
  // Windows closed so far. Before the first, a rate of 0 means not known yet.
  std::uint64_t closed() const { return closed_; }
  bool known() const { return closed_ > 0; }
  // Whether every source that ever gave anything is lost.
  bool all_lost() const;

 private:
  static constexpr Duration shortest_window = std::chrono::seconds(1);
  static constexpr Duration longest_window = std::chrono::seconds(30);
  // A burst may come with the very first tick.
  static constexpr Duration shortest_moment = std::chrono::milliseconds(1);
  static constexpr Duration longest_gap = std::chrono::seconds(60);

  struct Source {
    std::size_t bytes = 0;                      // in the open window
    std::array<std::size_t, windows> before{};  // in the closed ones
    bool gave = false;
    bool lost = false;
  };

  void close_window();
  void drop_window(TimePoint now);
  double ranked(TimePoint now, std::size_t rank, Duration shortest) const;

  std::vector<Source> sources_;
  std::array<Duration, windows> lengths_{};
  std::uint64_t closed_ = 0;
  bool wanted_ = false;
  TimePoint opened_{};
  TimePoint last_{};
  std::size_t bytes_ = 0;  // in the open window, of all sources
};

}  // namespace qanat::share
