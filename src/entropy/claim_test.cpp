#include "entropy/claim_test.h"

#include <bit>

#include "entropy/health_cutoffs.h"

namespace qanat::entropy {
namespace {

// Six looks at three estimators share alpha: 2^-30 / 2^5.
constexpr int estimate_alpha_log2 = alpha_log2 - 5;
// The most common of 256 values.
constexpr int values_log2 = 8;
constexpr unsigned first_look = 2;

bool exceeds(const assess::Hits& hits, double h, int log2_alpha) {
  return hits.trials > 0 &&
         hits.hits >= proportion_cutoff(h, static_cast<unsigned>(hits.trials), log2_alpha);
}

}  // namespace

bool ClaimTest::refutes(const assess::Predictors& seen, double h, int log2_alpha) {
  return exceeds(seen.most_common_value(), h, log2_alpha - values_log2) ||
         exceeds(seen.successor(), h, log2_alpha) || exceeds(seen.repetition(), h, log2_alpha);
}

std::optional<double> ClaimTest::add(Window window) {
  if (over()) return std::nullopt;
  if (!predictors_) predictors_.emplace();
  predictors_->add(window);
  ++seen_;
  if (seen_ < first_look || !std::has_single_bit(seen_)) return std::nullopt;
  const bool refuted = refutes(*predictors_, h_, estimate_alpha_log2);
  const double measured = predictors_->bits();
  if (over()) predictors_.reset();
  return refuted ? std::optional(measured) : std::nullopt;
}

void ClaimTest::reset() {
  seen_ = 0;
  if (predictors_) predictors_->reset();
}

}  // namespace qanat::entropy
