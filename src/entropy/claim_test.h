// Whether what a source has given refutes what is claimed of it.
//
// The argument of health_tests.h, for the first windows after a start and sharper predictors: a
// source of `h` bits per sample, given all before, makes any prediction from its past come true
// with probability at most 2^-h. So the hits among n predictions are at most as many as a binomial
// variable's, and a number that this one reaches with probability below alpha refutes the claim,
// whatever the source is. It proves none: a generator that nobody can predict passes.
#pragma once

#include <optional>

#include "assess/predictors.h"
#include "entropy/health_tests.h"

namespace qanat::entropy {

// Not thread-safe.
class ClaimTest {
 public:
  explicit ClaimTest(double h) : h_(h) {}

  // The measured min-entropy, bits per sample, when the windows so far refute the claim. Looks
  // after 2 windows (the start-up test's 1,024 samples), 4, 8 and so on, to 64.
  std::optional<double> add(Window window);
  bool over() const { return seen_ >= most_windows; }
  // A new start of the source.
  void reset();

  // The same of any number of samples, all at once: alpha for each estimator is 2^`log2_alpha`.
  static bool refutes(const assess::Predictors& seen, double h, int log2_alpha);

 private:
  static constexpr unsigned most_windows = 64;

  const double h_;
  std::optional<assess::Predictors> predictors_;  // while it is not over
  unsigned seen_ = 0;
};

}  // namespace qanat::entropy
