#include "sources/video/frame_noise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <numbers>

#include "sources/video/synthetic_camera.h"

namespace qanat::sources::video {
namespace {

using namespace std::chrono_literals;
using test::SyntheticCamera;
using testing::HasSubstr;

constexpr Duration thirtieth = 33'333us;

// A node's view: pictures go in at 30 a second, samples come out, until a fault.
class Watcher {
 public:
  explicit Watcher(double h = 0.5) : noise(h, 7) {}

  // False at a fault.
  bool see(const Picture& picture) {
    now_ += thirtieth;
    const auto seen = noise.add(picture, now_);
    std::array<std::uint8_t, 512> some{};
    while (const std::size_t n = noise.take(some)) {
      samples.insert(samples.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(n));
    }
    if (!seen) {
      EXPECT_TRUE(seen.error().fault);
      said = seen.error().message;
    }
    return seen.has_value();
  }
  bool see(SyntheticCamera& camera, int pictures) {
    for (int i = 0; i < pictures; ++i) {
      if (!see(camera.next())) return false;
    }
    return true;
  }
  double bits() const {
    std::array<double, 256> counts{};
    for (const auto sample : samples) ++counts[sample];
    return -std::log2(*std::max_element(counts.begin(), counts.end()) /
                      static_cast<double>(samples.size()));
  }

  FrameNoise noise;
  std::vector<std::uint8_t> samples;
  std::string said;

 private:
  TimePoint now_{};
};

TEST(FrameNoise, ASampleIsWhatAPixelsNoiseChangesBy) {
  for (const double sigma : {0.5, 1.0, 2.0, 4.0, 8.0}) {
    SyntheticCamera camera(160, 120, sigma, 1);
    Watcher watcher;
    ASSERT_TRUE(watcher.see(camera, 60)) << watcher.said;
    // A picture has 20 x 15 places that are 8 pixels apart; the first 4 give none.
    EXPECT_EQ(watcher.samples.size(), (60U - 4) / 2 * 600);
    // The difference of two values with normal noise, rounded: log2(2 sigma sqrt(pi)), about.
    const double expected = std::log2(2 * sigma * std::sqrt(std::numbers::pi));
    if (sigma >= 1) {
      EXPECT_NEAR(watcher.bits(), expected, 0.15) << sigma;
    } else {
      EXPECT_GT(watcher.bits(), 0.8) << sigma;
    }
  }
}

TEST(FrameNoise, NeighboursInTheOutputAreIndependent) {
  SyntheticCamera camera(320, 240, 4, 2);
  Watcher watcher;
  ASSERT_TRUE(watcher.see(camera, 60)) << watcher.said;
  // The last is a picture: its pixels are others.
  for (const std::size_t lag : {1U, 2U, 16U, 512U, 1200U}) {
    double product = 0;
    double squares = 0;
    for (std::size_t i = lag; i < watcher.samples.size(); ++i) {
      const auto now = static_cast<std::int8_t>(watcher.samples[i]);
      product += now * static_cast<std::int8_t>(watcher.samples[i - lag]);
      squares += now * now;
    }
    EXPECT_LT(std::abs(product / squares), 0.02) << lag;
  }
}

TEST(FrameNoise, NoSamplesBeforeTheCameraHasSettledNorAfterAnOpeningOfOldOnes) {
  SyntheticCamera camera(320, 240, 4, 3);
  Watcher watcher;
  ASSERT_TRUE(watcher.see(camera, FrameNoise::settling_pictures - 1));
  EXPECT_TRUE(watcher.samples.empty());
  ASSERT_TRUE(watcher.see(camera, 1));
  EXPECT_FALSE(watcher.samples.empty());
  ASSERT_TRUE(watcher.noise.add(camera.next(), TimePoint()));
  watcher.noise.restart();
  std::array<std::uint8_t, 16> some{};
  EXPECT_EQ(watcher.noise.take(some), 0U);
}

struct Bad {
  const char* name;
  std::function<double(double, double, int)> scene;
  double noise;
  const char* words;
};

TEST(FrameNoise, WhatIsNoPictureOfARoomGivesNothingAndIsSaid) {
  const std::vector<Bad> all{
      {"black", [](double, double, int) { return 0.0; }, 0, "the picture is black"},
      {"black of television", [](double, double, int) { return 16.0; }, 0.3,
       "the picture is black"},
      {"saturated", [](double, double, int) { return 300.0; }, 4, "the picture is saturated"},
      {"saturated of television", [](double, double, int) { return 235.0; }, 0, "saturated"},
      {"frozen", test::room, 0, "the picture is frozen"},
      {"frozen with a clock",
       [](double x, double y, int t) {
         return x < 10 && y < 10 ? t * 20 % 256 : test::room(x, y, 0);
       },
       0, "the picture is frozen"},
      {"quiet", test::room, 0.2, "too little noise for what is claimed"},
  };
  for (const Bad& bad : all) {
    SyntheticCamera camera(160, 120, bad.noise, 4, bad.scene);
    Watcher watcher(4);
    EXPECT_FALSE(watcher.see(camera, 60)) << bad.name;
    EXPECT_THAT(watcher.said, HasSubstr(bad.words)) << bad.name;
    EXPECT_TRUE(watcher.samples.empty()) << bad.name;
  }
}

TEST(FrameNoise, APictureInTheDarkWithNoiseIsNotBlack) {
  SyntheticCamera camera(320, 240, 4, 5, [](double, double, int) { return 12.0; });
  Watcher watcher;
  EXPECT_TRUE(watcher.see(camera, 100)) << watcher.said;
}

TEST(FrameNoise, TheSamePictureNowAndThenIsNoFault) {
  SyntheticCamera camera(320, 240, 2, 6);
  Watcher watcher;
  for (int i = 0; i < 40; ++i) {
    const auto picture = camera.next();
    for (int again = 0; again < 5; ++again) ASSERT_TRUE(watcher.see(picture)) << watcher.said;
  }
  EXPECT_EQ(watcher.noise.report().held_back, 40U * 4 - 3);
}

TEST(FrameNoise, ASmallPictureGivesSmallBatches) {
  SyntheticCamera camera(64, 48, 4, 7);
  Watcher watcher;
  ASSERT_TRUE(watcher.see(camera, 100)) << watcher.said;
  EXPECT_GT(watcher.samples.size(), 4000U);
  for (const auto& [width, height] :
       {std::pair{31, 48}, std::pair{64, 5000}, std::pair{5000, 64}}) {
    const std::vector<std::uint8_t> pixels(5000 * 64);
    const Picture odd{pixels.data(), static_cast<std::size_t>(width),
                      static_cast<std::size_t>(height), 1, 1};
    EXPECT_FALSE(watcher.noise.add(odd, TimePoint()).has_value());
  }
}

// Ten seconds, again and again. `spoil` is what a second encoder does to it.
std::string shown_again(double noise, const std::function<int(int, std::size_t)>& spoil,
                        int after_opening, std::size_t* handed_out) {
  constexpr int length = 300;
  SyntheticCamera camera(160, 120, noise, 8);
  std::vector<std::vector<std::uint8_t>> recording;
  for (int i = 0; i < length; ++i) {
    camera.next();
    recording.push_back(camera.pixels());
  }
  Watcher watcher;
  for (const auto& picture : recording)
    EXPECT_TRUE(watcher.see(camera.view(picture))) << watcher.said;
  if (after_opening >= 0) watcher.noise.restart();
  watcher.samples.clear();
  for (std::size_t i = static_cast<std::size_t>(std::max(after_opening, 0)); i < length; ++i) {
    auto again = recording[i];
    for (std::size_t k = 0; k < again.size(); ++k)
      again[k] = static_cast<std::uint8_t>(spoil(again[k], k));
    if (!watcher.see(camera.view(again))) break;
  }
  *handed_out = watcher.samples.size();
  return watcher.said;
}

TEST(FrameNoise, ARecordingPlayedAgainIsNoticedAtOnce) {
  std::size_t given = 0;
  EXPECT_THAT(shown_again(
                  1, [](int value, std::size_t) { return value; }, -1, &given),
              HasSubstr("this was shown 10.0 s ago (300 pictures): a recording, not a camera"));
  // The first picture follows the last, and is none of the recording's.
  EXPECT_LE(given, 2048U);
}

TEST(FrameNoise, SoItIsWhenItWasEncodedAgainOrTheCameraOpenedAgain) {
  std::mt19937 random(9);
  // Half the bits of the noise, and other noise on top: as JPEG leaves it.
  const auto spoil = [&](int value, std::size_t) {
    return std::clamp(value / 2 * 2 + static_cast<int>(random() % 3), 0, 255);
  };
  std::size_t given = 0;
  EXPECT_THAT(shown_again(2, spoil, -1, &given), HasSubstr("a recording, not a camera"));
  EXPECT_LE(given, 4U * 2048);
  EXPECT_THAT(shown_again(2, spoil, 100, &given), HasSubstr("(199 pictures)")) << "from its middle";
  EXPECT_THAT(shown_again(
                  0.5, [](int value, std::size_t) { return value; }, 0, &given),
              HasSubstr("a recording, not a camera"));
}

TEST(FrameNoise, AScenesPeriodIsNoRecording) {
  constexpr double pi = std::numbers::pi;
  const std::vector<std::pair<const char*, test::Scene>> scenes{
      {"still", test::room},
      {"mains flicker",
       [](double x, double y, int t) {
         return test::room(x, y, t) * (1 + 0.1 * std::sin(2 * pi * t / 12));
       }},
      {"rolling bands",
       [](double x, double y, int t) {
         return test::room(x, y, t) * (1 + 0.1 * std::sin(2 * pi * (t / 15.0 + y / 60)));
       }},
      // In step with the pictures: the worst there is.
      {"fan",
       [](double x, double y, int t) {
         const double dx = x - 60, dy = y - 60;
         if (dx * dx + dy * dy > 45 * 45) return test::room(x, y, t);
         return std::sin(3 * std::atan2(dy, dx) + 2 * pi * t / 20) > 0 ? 190.0 : 60.0;
       }},
      {"lava lamp",
       [](double x, double y, int t) {
         double value = 50 + x / 4;
         for (int blob = 0; blob < 4; ++blob) {
           const double cx = 30 + 30 * blob, cy = 60 + 45 * std::sin(2 * pi * t / 90 + blob);
           value += 90 * std::exp(-((x - cx) * (x - cx) + (y - cy) * (y - cy)) / 150);
         }
         return value;
       }},
      {"a light that blinks",
       [](double x, double y, int t) { return test::room(x, y, t) * (t / 15 % 2 == 0 ? 1 : 0.7); }},
      {"a pan to and fro",
       [](double x, double y, int t) {
         return test::room(x + 20 * std::sin(2 * pi * t / 60), y, t);
       }},
  };
  for (const auto& [name, scene] : scenes) {
    for (const double noise : {1.0, 3.0}) {
      SyntheticCamera camera(128, 96, noise, 10, scene);
      Watcher watcher;
      EXPECT_TRUE(watcher.see(camera, 300)) << name << ": " << watcher.said;
      EXPECT_LT(watcher.noise.report().held_back, 6U) << name << " " << noise;
    }
  }
}

}  // namespace
}  // namespace qanat::sources::video
