// How far a long command is, on a terminal.
#pragma once

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/colours.h"
#include "base/quantity.h"

namespace qanat::cli {

// "[#####     ]  51%  51 MB/100 MB  480 MiB/s  0.1 s left", on a terminal only.
class Progress {
 public:
  // `long_enough`: it is worth a bar.
  Progress(std::uint64_t total, bool long_enough)
      : total_(total), shown_(long_enough && ::isatty(STDERR_FILENO) == 1 && !terminal_is_dumb()) {}
  ~Progress() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }

  void add(std::size_t bytes) {
    done_ += bytes;
    const TimePoint now = Clock().now();
    constexpr Duration interval = std::chrono::milliseconds(100);
    if (!shown_ || now - drawn_ < interval) return;
    drawn_ = now;
    const double part = static_cast<double>(done_) / static_cast<double>(total_);
    const double rate = static_cast<double>(done_) / std::max(seconds(now - begun_), 1e-3);
    const auto filled = static_cast<std::size_t>(part * bar_width);
    fmt::print(stderr, "\r[{}{}] {:3.0f}%  {} of {}  {}  {:.1f} s left\x1b[K",
               std::string(filled, '#'), std::string(bar_width - filled, ' '), 100 * part,
               format_size(static_cast<double>(done_)), format_size(static_cast<double>(total_)),
               format_rate(rate), static_cast<double>(total_ - done_) / rate);
  }

 private:
  static constexpr std::size_t bar_width = 24;
  std::uint64_t total_;
  bool shown_;
  std::uint64_t done_ = 0;
  TimePoint begun_ = Clock().now();
  TimePoint drawn_{};
};

}  // namespace qanat::cli
