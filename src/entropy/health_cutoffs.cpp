#include "entropy/health_cutoffs.h"

#include <cmath>

namespace qanat::entropy {

unsigned repetition_cutoff(double h, int log2_alpha) {
  return 1 + static_cast<unsigned>(std::ceil(-log2_alpha / h));
}

unsigned proportion_cutoff(double h, unsigned window, int log2_alpha) {
  // critbinom(n, p, 1 - alpha) is the smallest k with P(X > k) <= alpha. Summed from the top, in
  // logarithms: 1 - alpha itself cannot be told from 1 in the sums from the bottom.
  const double log_p = -h * std::log(2.0);
  const double log_q = std::log1p(-std::exp2(-h));
  const double alpha = std::exp2(log2_alpha);
  double log_mass = window * log_p;  // of X = window
  double tail = 0;                   // P(X > k)
  unsigned k = window;
  while (k > 0) {
    tail += std::exp(log_mass);
    if (tail > alpha) break;
    log_mass += std::log(k) - std::log(window - k + 1.0) + log_q - log_p;
    --k;
  }
  return 1 + k;
}

}  // namespace qanat::entropy
