// Recordings for tests: noise, tones, faults; repeatable from their seed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <numbers>
#include <random>
#include <vector>

namespace qanat::test {

using Sound = std::vector<std::int32_t>;
// Of the time in seconds; in steps of the converter.
using Signal = std::function<double(double seconds)>;

inline constexpr double sound_rate = 48000;

// As a converter of 16 bits gives it.
inline Sound record(const Signal& signal, std::size_t frames) {
  Sound sound(frames);
  for (std::size_t t = 0; t < frames; ++t) {
    const double value = std::clamp(signal(static_cast<double>(t) / sound_rate), -32768.0, 32767.0);
    sound[t] = static_cast<std::int32_t>(std::lround(value));
  }
  return sound;
}

inline Signal white(double sigma, std::uint64_t seed) {
  return [random = std::mt19937_64(seed), normal = std::normal_distribution<double>(0, sigma)](
             double) mutable { return normal(random); };
}
// Each value is nine tenths of the one before, and as much new noise as keeps it at `sigma`.
inline Signal low_passed(double sigma, std::uint64_t seed) {
  return [fresh = white(sigma * std::sqrt(1 - 0.81), seed), last = 0.0](double time) mutable {
    return last = 0.9 * last + fresh(time);
  };
}
inline Signal sine(double hertz, double amplitude) {
  return [=](double time) { return amplitude * std::sin(2 * std::numbers::pi * hertz * time); };
}
inline Signal square(double hertz, double amplitude) {
  return [=](double time) { return std::fmod(time * hertz, 1.0) < 0.5 ? amplitude : -amplitude; };
}
// From 100 Hz, upwards by so much a second.
inline Signal chirp(double hertz_a_second, double amplitude) {
  return [=](double time) {
    return amplitude *
           std::sin(2 * std::numbers::pi * (100 * time + hertz_a_second * time * time / 2));
  };
}
// Notes of an eighth of a second with eight harmonics, struck and fading.
inline Signal melody(double amplitude) {
  return [=](double time) {
    const double note = std::fmod(std::floor(time * 8), 7);
    const double hertz = 220 * std::exp2(note / 6);
    double value = 0;
    for (int k = 1; k < 9; ++k) value += std::sin(2 * std::numbers::pi * hertz * k * time) / k;
    return amplitude * value * std::exp(-8 * std::fmod(time, 0.125));
  };
}
inline Signal sum(Signal a, Signal b) {
  return [a = std::move(a), b = std::move(b)](double time) { return a(time) + b(time); };
}
inline Signal clipped(Signal signal, double limit) {
  return [=](double time) { return std::clamp(signal(time), -limit, limit); };
}

}  // namespace qanat::test
