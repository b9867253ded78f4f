// Min-entropy estimates of SP 800-90B section 6.3, for samples of 8 bits.
#pragma once

#include <cstdint>
#include <span>

namespace qanat::assess {

using Samples = std::span<const std::uint8_t>;

// 6.3.1, most common value: bits per sample, with the 99 % upper bound of its probability.
double most_common_value(Samples samples);
// In the manner of 6.3.8, lag prediction: the best of the lags 1 to 128, by its hits overall.
double lag_prediction(Samples samples);
// In the manner of 6.3.9 (MultiMMC), order 1: the commonest successor of each value so far.
double markov_prediction(Samples samples);

// The least of them, as section 3.1.3 takes the least. 0 for fewer than 2 samples.
double min_entropy(Samples samples);

}  // namespace qanat::assess
