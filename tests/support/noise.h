// Sample streams for tests: good, bad and dying ones, repeatable from their seed.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace qanat::test {

using Samples = std::vector<std::uint8_t>;

inline Samples uniform(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Samples samples(count);
  for (auto& sample : samples) sample = static_cast<std::uint8_t>(random());
  return samples;
}

// Min-entropy of `h` bits a sample: one value has probability 2^-h, the others share the rest.
inline Samples with_min_entropy(std::size_t count, double h, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::bernoulli_distribution common(std::exp2(-h));
  std::uniform_int_distribution<int> other(1, 255);
  Samples samples(count);
  for (auto& sample : samples) {
    sample = common(random) ? std::uint8_t{0} : static_cast<std::uint8_t>(other(random));
  }
  return samples;
}

inline Samples constant(std::size_t count, std::uint8_t value) { return Samples(count, value); }

inline Samples counter(std::size_t count, unsigned step = 1) {
  Samples samples(count);
  for (std::size_t i = 0; i < count; ++i) samples[i] = static_cast<std::uint8_t>(i * step);
  return samples;
}

inline Samples repeating(std::size_t count, std::size_t period, std::uint64_t seed) {
  const Samples block = uniform(period, seed);
  Samples samples(count);
  for (std::size_t i = 0; i < count; ++i) samples[i] = block[i % period];
  return samples;
}

}  // namespace qanat::test
