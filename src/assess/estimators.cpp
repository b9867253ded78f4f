#include "assess/estimators.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

namespace qanat::assess {
namespace {

// 99 % upper confidence bound of a proportion (6.3.1 step 2), as bits.
double bits_of(std::size_t hits, std::size_t trials) {
  if (trials < 2) return 0;
  const double n = static_cast<double>(trials);
  const double p = static_cast<double>(hits) / n;
  const double upper = std::min(1.0, p + 2.5758293 * std::sqrt(p * (1 - p) / (n - 1)));
  return upper <= 0 ? 8 : std::min(8.0, -std::log2(upper));
}

}  // namespace

double most_common_value(Samples samples) {
  std::array<std::size_t, 256> counts{};
  for (const std::uint8_t sample : samples) ++counts[sample];
  return bits_of(*std::max_element(counts.begin(), counts.end()), samples.size());
}

double lag_prediction(Samples samples) {
  constexpr std::size_t lags = 128;
  double least = 8;
  for (std::size_t lag = 1; lag <= lags && lag < samples.size(); ++lag) {
    std::size_t hits = 0;
    for (std::size_t i = lag; i < samples.size(); ++i) {
      hits += samples[i] == samples[i - lag] ? 1 : 0;
    }
    least = std::min(least, bits_of(hits, samples.size() - lag));
  }
  return least;
}

double markov_prediction(Samples samples) {
  auto counts = std::make_unique<std::array<std::array<std::uint32_t, 256>, 256>>();
  std::array<std::uint8_t, 256> guess{};
  std::size_t hits = 0;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const std::uint8_t before = samples[i - 1];
    const std::uint8_t now = samples[i];
    hits += guess[before] == now ? 1 : 0;
    auto& row = (*counts)[before];
    if (++row[now] > row[guess[before]]) guess[before] = now;
  }
  return bits_of(hits, samples.size() - 1);
}

double min_entropy(Samples samples) {
  if (samples.size() < 2) return 0;
  return std::min(
      {most_common_value(samples), lag_prediction(samples), markov_prediction(samples)});
}

}  // namespace qanat::assess
