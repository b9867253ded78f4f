#include "assess/estimators.h"

#include <algorithm>

namespace qanat::assess {
double lag_prediction(Samples samples) {
  constexpr std::size_t lags = 128;
  double least = 8;
  for (std::size_t lag = 1; lag <= lags && lag < samples.size(); ++lag) {
    std::size_t hits = 0;
    for (std::size_t i = lag; i < samples.size(); ++i) {
      hits += samples[i] == samples[i - lag] ? 1 : 0;
    }
    least = std::min(least, Hits{hits, samples.size() - lag}.bits());
  }
  return least;
}

double min_entropy(Samples samples) {
  if (samples.size() < 2) return 0;
  Predictors predictors;
  predictors.add(samples);
  return std::min(predictors.bits(), lag_prediction(samples));
}

}  // namespace qanat::assess
