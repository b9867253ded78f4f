#include "cli/top/sparkline.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace qanat::cli::top {

std::string sparkline(const std::vector<std::optional<double>>& values, double most, bool utf8) {
  static constexpr std::array blocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr std::array plain{" ", ".", ":", "-", "=", "+", "*", "#"};
  const auto& levels = utf8 ? blocks : plain;
  std::string picture;
  for (const auto& value : values) {
    if (!value) {
      picture += ' ';
      continue;
    }
    const double part = most > 0 ? std::clamp(*value / most, 0.0, 1.0) : 0;
    // Whatever is more than nothing is seen as more than nothing.
    constexpr auto highest = static_cast<double>(blocks.size() - 1);
    picture += levels[static_cast<std::size_t>(std::ceil(part * highest))];
  }
  return picture;
}

std::string sparkline(const std::vector<std::optional<double>>& values, bool utf8) {
  double most = 0;
  for (const auto& value : values) most = std::max(most, value.value_or(0));
  return sparkline(values, most, utf8);
}

}  // namespace qanat::cli::top
