#include "share/flow.h"

#include <utility>

#include "share/dispenser.h"

namespace qanat::share {

Flow::Flow(Flow&& other) noexcept
    : dispenser_(std::exchange(other.dispenser_, nullptr)), id_(other.id_), terms_(other.terms_) {}

Flow& Flow::operator=(Flow&& other) noexcept {
  std::swap(dispenser_, other.dispenser_);
  std::swap(id_, other.id_);
  std::swap(terms_, other.terms_);
  return *this;
}

Flow::~Flow() {
  if (dispenser_ != nullptr) dispenser_->close_flow(id_);
}

Flow::Report Flow::report() const {
  return dispenser_ != nullptr ? dispenser_->report_of(id_) : Report{.terms = terms_};
}

void Flow::set_terms(const Terms& terms) {
  terms_ = terms;
  if (dispenser_ != nullptr) dispenser_->set_terms(id_, terms);
}

void Flow::forgo_guarantee() {
  Terms terms = report().terms;
  terms.rate = 0;
  terms.burst = 0;
  set_terms(terms);
}

}  // namespace qanat::share
