#include "assess/predictors.h"

#include <algorithm>
#include <cmath>

namespace qanat::assess {
namespace {

// Guard pages end behind the last byte, so that sizes of whole words keep this aligned.
std::span<std::uint32_t> words_of(SecretBytes& bytes) {
  return {reinterpret_cast<std::uint32_t*>(bytes.view().data()),
          bytes.size() / sizeof(std::uint32_t)};
}

}  // namespace

double Hits::bits() const {
  if (trials < 2) return 0;
  const double n = static_cast<double>(trials);
  const double p = static_cast<double>(hits) / n;
  const double upper = std::min(1.0, p + 2.5758293 * std::sqrt(p * (1 - p) / (n - 1)));
  return upper <= 0 ? 8 : std::min(8.0, -std::log2(upper));
}

Predictors::Predictors()
    : successors_(values * values * sizeof(std::uint32_t)),
      guesses_(values),
      last_(values * values) {}

void Predictors::reset() {
  for (SecretBytes* const table : {&successors_, &guesses_, &last_}) wipe(table->view());
  counts_.fill(0);
  seen_ = successor_hits_ = repetition_hits_ = 0;
  before_ = before_that_ = 0;
}

std::span<std::uint32_t> Predictors::row(std::uint8_t before) {
  return words_of(successors_).subspan(before * values, values);
}

void Predictors::add(Samples samples) {
  const MutableBytes guesses = guesses_.view();
  const MutableBytes last = last_.view();
  for (const std::uint8_t now : samples) {
    ++counts_[now];
    if (seen_ > 0) {
      std::uint8_t& guess = guesses[before_];
      successor_hits_ += guess == now ? 1U : 0U;
      const auto seen = row(before_);
      if (++seen[now] > seen[guess]) guess = now;
    }
    if (seen_ > 1) {
      std::uint8_t& followed = last[before_that_ * values + before_];
      repetition_hits_ += followed == now ? 1U : 0U;
      followed = now;
    }
    before_that_ = before_;
    before_ = now;
    ++seen_;
  }
}

Hits Predictors::most_common_value() const {
  return {*std::max_element(counts_.begin(), counts_.end()), seen_};
}

double Predictors::bits() const {
  return std::min({most_common_value().bits(), successor().bits(), repetition().bits()});
}

}  // namespace qanat::assess
