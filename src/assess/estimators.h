// Min-entropy estimates of SP 800-90B section 6.3, for samples of 8 bits.
#pragma once

#include "assess/predictors.h"

namespace qanat::assess {

// In the manner of 6.3.8, lag prediction: the best of the lags 1 to 128, by its hits overall.
double lag_prediction(Samples samples);

// The least of it and of the Predictors, as section 3.1.3 takes the least. 0 for fewer than 2
// samples.
double min_entropy(Samples samples);

}  // namespace qanat::assess
