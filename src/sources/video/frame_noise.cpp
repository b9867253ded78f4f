#include "sources/video/frame_noise.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <utility>

#include "crypto/blake2b.h"
#include "entropy/health_cutoffs.h"
#include "entropy/health_tests.h"

namespace qanat::sources::video {
namespace {

constexpr std::size_t samples_of_picture = 2048;
// A block of JPEG is 8 pixels wide: of JPEG at any quality, pixels 13 apart have no correlation
// (below 0.01, docs/sources.md), those side by side up to 0.7.
constexpr std::size_t samples_apart = 8;
constexpr std::size_t looked_at_pixels = 4096;
// Of a pair: so near that what moves or flickers changes both alike, where they are as bright as
// each other; and not so near that JPEG leaves them no difference.
constexpr std::size_t pair_distance = 2;
constexpr double pair_contrast = 4;

// Black is 0 or, of video for television, 16; white 255 or 235. "Flat": nothing there to be seen,
// not even noise.
constexpr double black_below = 24;
constexpr double white_above = 231;
constexpr double flat_deviation = 1.5;
constexpr double flat_share = 0.9;
constexpr double frozen_share = 0.99;
// Pictures in a row that look like earlier ones.
constexpr unsigned recording_pictures = 8;

// Any of 256 values may be the most common one.
constexpr int log2_values = 8;

std::uint8_t difference(std::uint8_t now, std::uint8_t before) {
  return static_cast<std::uint8_t>(now - before);
}

unsigned most_common(Bytes samples) {
  std::array<unsigned, 256> counts{};
  for (const std::uint8_t sample : samples) ++counts[sample];
  return *std::max_element(counts.begin(), counts.end());
}

SecretBytes fresh_key(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  SecretBytes key(32);
  for (auto& byte : key.view()) byte = static_cast<std::uint8_t>(random());
  return key;
}

}  // namespace

Result<void> check_size(const std::string& name, std::int64_t width, std::int64_t height) {
  const auto between = [](std::int64_t n, std::size_t least, std::size_t most) {
    return n >= static_cast<std::int64_t>(least) && n <= static_cast<std::int64_t>(most);
  };
  if (between(width, least_width, most_width) && between(height, least_height, most_height)) {
    return {};
  }
  return error(fmt::format("the picture of {} has {}x{} pixels: from {}x{} to {}x{} are read here",
                           name, width, height, least_width, least_height, most_width,
                           most_height));
}

FrameNoise::Grid FrameNoise::Grid::over(std::size_t width, std::size_t height, std::size_t most,
                                        std::size_t apart) {
  const double area = static_cast<double>(width * height) / static_cast<double>(most);
  const std::size_t spacing = std::max(apart, static_cast<std::size_t>(std::ceil(std::sqrt(area))));
  return {spacing, width / spacing, height / spacing};
}

template <typename Visit>
void FrameNoise::Grid::each(std::size_t shift, const Visit& visit) const {
  const std::size_t right = shift % spacing;
  const std::size_t down = shift / spacing;
  std::size_t index = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; ++column) {
      visit(column * spacing + right, row * spacing + down, index++);
    }
  }
}

FrameNoise::FrameNoise(double h, std::uint64_t seed) : h_(h), seed_(seed), key_(fresh_key(seed)) {}

void FrameNoise::restart() {
  have_before_ = false;
  settling_ = settling_pictures;
  wipe(before_.view());
  wipe(pairs_before_.view());
  wipe(next_before_.view());
  wipe(ready_.view());
  begin_ = judged_ = end_ = 0;
}

void FrameNoise::fit(std::size_t width, std::size_t height) {
  samples_ = Grid::over(width, height, samples_of_picture, samples_apart);
  looked_at_ = Grid::over(width, height, looked_at_pixels, 1);
  std::mt19937_64 random(seed_);
  pairs_.clear();
  for (std::size_t i = 0; i < Fingerprint::bits; ++i) {
    pairs_.push_back({random() % (width - pair_distance), random() % height});
  }
  // Whole pictures: one of 64x48 has 48 samples.
  const std::size_t grid = samples_.size();
  batch_ = (entropy::window_samples + grid - 1) / grid * grid;
  cutoff_ = entropy::proportion_cutoff(h_, static_cast<unsigned>(batch_),
                                       entropy::alpha_log2 - log2_values);
  before_ = SecretBytes(looked_at_.size());
  pairs_before_ = SecretBytes(2 * pairs_.size());
  next_before_ = SecretBytes(grid);
  ready_ = SecretBytes(batch_ + grid);
  report_.width = width;
  report_.height = height;
  restart();
}

// Each place of the grid in turn, those that follow each other far apart.
std::size_t FrameNoise::shift_of(std::uint64_t picture) const {
  const std::size_t places = samples_.spacing * samples_.spacing;
  std::size_t stride = places * 5 / 8;
  while (std::gcd(stride, places) != 1) ++stride;
  return (seed_ + picture * stride) % places;
}

Result<void> FrameNoise::add(const Picture& picture, TimePoint now) {
  if (auto fits = check_size("this source", static_cast<std::int64_t>(picture.width),
                             static_cast<std::int64_t>(picture.height));
      !fits) {
    return fits;
  }
  if (picture.width != report_.width || picture.height != report_.height) {
    fit(picture.width, picture.height);
  }
  ++report_.pictures;
  const std::string why = look(picture);
  const bool first = !std::exchange(have_before_, true);
  const Fingerprint print = fingerprint(picture);
  if (settling_ > 0) --settling_;
  const bool usable = !first && settling_ == 0 && why.empty();
  std::optional<ReplayMemory::Match> shown_before;
  // What does not move is frozen, and no recording.
  if (!first && report_.unchanged < frozen_share) shown_before = memory_.add(print, now);
  if (usable && !shown_before) take_samples(picture);
  // Whatever this one was, the next is compared with it.
  samples_.each(shift_of(report_.pictures + 1), [&](std::size_t x, std::size_t y, std::size_t i) {
    next_before_.view()[i] = picture.at(x, y);
  });
  if (first || settling_ > 0) return {};
  if (!why.empty()) return hold_back(why, 1, patience);
  if (shown_before) {
    return hold_back(fmt::format("this was shown {:.1f} s ago ({} pictures): a recording, not a "
                                 "camera",
                                 seconds(shown_before->ago), shown_before->distance),
                     1, recording_pictures);
  }
  return judge_batch();
}

std::string FrameNoise::look(const Picture& picture) {
  std::array<std::uint32_t, 256> counts{};
  std::uint64_t sum = 0;
  std::uint64_t squares = 0;
  std::uint64_t change = 0;
  std::size_t unchanged = 0;
  const MutableBytes before = before_.view();
  looked_at_.each(looked_at_.spacing / 2, [&](std::size_t x, std::size_t y, std::size_t i) {
    const unsigned value = picture.at(x, y);
    ++counts[value];
    sum += value;
    squares += value * value;
    const int by = static_cast<int>(value) - static_cast<int>(before[i]);
    change += static_cast<unsigned>(std::abs(by));
    unchanged += by == 0 ? 1 : 0;
    before[i] = static_cast<std::uint8_t>(value);
  });
  const auto n = static_cast<double>(looked_at_.size());
  const double mean = static_cast<double>(sum) / n;
  const double deviation = std::sqrt(std::max(0.0, static_cast<double>(squares) / n - mean * mean));
  const double commonest = *std::max_element(counts.begin(), counts.end()) / n;
  report_.brightness = mean;
  report_.change = have_before_ ? static_cast<double>(change) / n : 0;
  report_.unchanged = have_before_ ? static_cast<double>(unchanged) / n : 0;
  if (deviation < flat_deviation || commonest >= flat_share) {
    if (mean < black_below) {
      return fmt::format(
          "the picture is black (mean brightness {:.0f} of 255): is the lens "
          "covered, or the camera switched off?",
          mean);
    }
    if (mean > white_above) {
      return fmt::format(
          "the picture is saturated (mean brightness {:.0f} of 255): less light or "
          "a shorter exposure is needed",
          mean);
    }
  }
  if (report_.unchanged >= 1) {
    return "the picture is frozen: each is the same as the one before";
  }
  if (report_.unchanged >= frozen_share) {
    return fmt::format(
        "the picture is frozen: {:.1f} % of its pixels are as they were in the one "
        "before",
        100 * report_.unchanged);
  }
  return "";
}

Fingerprint FrameNoise::fingerprint(const Picture& picture) {
  Fingerprint print;
  std::array<std::uint8_t, 16> hash{};
  crypto::blake2b(key_.view(), {before_.view()}, hash);
  std::memcpy(&print.exact, hash.data(), sizeof print.exact);
  const MutableBytes before = pairs_before_.view();
  // The noise itself makes a contrast.
  const int contrast = static_cast<int>(pair_contrast + 2 * report_.change);
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    const int left = picture.at(pairs_[i].x, pairs_[i].y);
    const int right = picture.at(pairs_[i].x + pair_distance, pairs_[i].y);
    const int left_before = before[2 * i];
    const int right_before = before[2 * i + 1];
    before[2 * i] = static_cast<std::uint8_t>(left);
    before[2 * i + 1] = static_cast<std::uint8_t>(right);
    const int more = (left - left_before) - (right - right_before);
    if (more == 0 || std::abs(left - right) > contrast ||
        std::abs(left_before - right_before) > contrast) {
      continue;
    }
    const std::uint64_t bit = std::uint64_t{1} << (i % 64);
    print.known[i / 64] |= bit;
    if (more > 0) print.larger[i / 64] |= bit;
  }
  return print;
}

void FrameNoise::take_samples(const Picture& picture) {
  // All that was judged has been taken (take), but where a caller throws it away.
  const MutableBytes ready = ready_.view();
  std::copy(ready.begin() + static_cast<std::ptrdiff_t>(judged_),
            ready.begin() + static_cast<std::ptrdiff_t>(end_), ready.begin());
  end_ -= judged_;
  begin_ = judged_ = 0;
  const MutableBytes out = ready.subspan(end_, samples_.size());
  samples_.each(shift_of(report_.pictures), [&](std::size_t x, std::size_t y, std::size_t i) {
    out[i] = difference(picture.at(x, y), next_before_.view()[i]);
  });
  end_ += samples_.size();
}

// A batch is handed out whole, or not at all.
Result<void> FrameNoise::judge_batch() {
  if (end_ - judged_ < batch_) return {};
  const unsigned count = most_common(Bytes(ready_.view()).subspan(judged_, end_ - judged_));
  if (count < cutoff_) {
    judged_ = end_;
    bad_ = 0;
    return {};
  }
  wipe(ready_.view().subspan(judged_, end_ - judged_));
  end_ = judged_;
  const double share = count / static_cast<double>(batch_);
  return hold_back(
      fmt::format("too little noise for what is claimed: {:.0f} % of the pixels change by the same "
                  "amount ({:.2f} bits a sample, {} claimed); it needs more gain or less "
                  "compression, or a lower h=",
                  100 * share, std::max(0.0, -std::log2(share)), h_),
      static_cast<unsigned>(batch_ / samples_.size()), patience);
}

Result<void> FrameNoise::hold_back(const std::string& why, unsigned pictures, unsigned limit) {
  report_.held_back += pictures;
  bad_ += pictures;
  if (bad_ < limit) return {};
  bad_ = 0;
  return fault(why);
}

std::size_t FrameNoise::take(MutableBytes out) {
  const std::size_t n = std::min(out.size(), judged_ - begin_);
  const MutableBytes from = ready_.view().subspan(begin_, n);
  std::copy(from.begin(), from.end(), out.begin());
  wipe(from);
  begin_ += n;
  return n;
}

}  // namespace qanat::sources::video
