// Pictures with noise that is known, of scenes that move as a test wants.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "sources/video/picture.h"

namespace qanat::test {

// Brightness of a pixel of picture `t`, without noise.
using Scene = std::function<double(double x, double y, int t)>;

// A room: slopes, edges and a pattern.
inline double room(double x, double y, int /*t*/) {
  return 110 + 40 * std::sin(x / 50) * std::cos(y / 70) + 20 * std::sin(x / 7 + y / 11) +
         (static_cast<int>(x / 40) + static_cast<int>(y / 40)) % 2 * 20;
}

class SyntheticCamera {
 public:
  SyntheticCamera(std::size_t width, std::size_t height, double noise, std::uint64_t seed,
                  Scene scene = room)
      : width_(width),
        height_(height),
        random_(seed),
        scene_(std::move(scene)),
        pixels_(width * height) {
    // Normal values are slow to make: a pool, of which each row begins somewhere.
    std::normal_distribution<float> normal(0, static_cast<float>(noise));
    for (auto& value : pool_) value = normal(random_);
  }

  sources::video::Picture next() {
    for (std::size_t y = 0; y < height_; ++y) {
      std::size_t at = random_();
      for (std::size_t x = 0; x < width_; ++x) {
        const double value =
            scene_(static_cast<double>(x), static_cast<double>(y), t_) + pool_[at++ % pool_.size()];
        pixels_[y * width_ + x] =
            static_cast<std::uint8_t>(std::clamp(std::lround(value), 0L, 255L));
      }
    }
    ++t_;
    return view(pixels_);
  }
  std::vector<std::uint8_t> pixels() const { return pixels_; }
  sources::video::Picture view(const std::vector<std::uint8_t>& pixels) const {
    return {pixels.data(), width_, height_, static_cast<std::ptrdiff_t>(width_), 1};
  }

 private:
  std::size_t width_;
  std::size_t height_;
  std::mt19937_64 random_;
  Scene scene_;
  std::vector<std::uint8_t> pixels_;
  std::vector<float> pool_ = std::vector<float>(1 << 18);
  int t_ = 0;
};

}  // namespace qanat::test
