// The picture that `qanat top` draws: from what is known of one or several nodes to lines of text.
// No terminal and no clock: both are arguments.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/top/line.h"
#include "cli/top/samples.h"

namespace qanat::cli::top {

// What is known of one node.
struct Seen {
  std::optional<boost::json::value> document;  // the last one
  std::string problem;                         // why there is no newer one; empty while all is well
  std::int64_t since = 0;                      // the last answer, seconds since 1970
  Samples samples;
};

// What clients are sorted by.
enum class Order { name, now, total, waiting, guarantee, refused };
inline constexpr std::size_t orders = 6;

// What the screen is, and what its user has chosen.
struct Choices {
  std::size_t width = 80;
  std::size_t height = 24;
  std::size_t scroll = 0;  // lines of the body that are above the screen
  Order order = Order::now;
  bool reversed = false;  // the least first; of names, the last
  bool utf8 = true;
  bool help = false;
  bool paused = false;
  double now = 0;          // of the samples' clock
  std::int64_t clock = 0;  // seconds since 1970
};

struct Screen {
  std::vector<Line> lines;      // as many as the screen has, none wider
  std::size_t scroll = 0;       // as asked for, or as far as there is something
  std::size_t most_scroll = 0;  // the last line is at the bottom
  std::size_t page = 1;         // lines of the body that are seen at once
};

Screen draw(const std::vector<const Seen*>& nodes, const Choices& choices);

}  // namespace qanat::cli::top
