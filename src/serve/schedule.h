// When an outlet delivers by itself, how much, and on what terms.
#pragma once

#include "base/clock.h"
#include "share/terms.h"
#include "spec/grade.h"

namespace qanat::serve {

struct Schedule {
  // Between two deliveries; each gap is drawn from 90 % to 110 % of it, so that machines that
  // booted together drift apart.
  Duration every = std::chrono::seconds(60);  // zero: as fast as its share of the bytes comes
  std::size_t bytes = 64;
  share::Terms terms = {};
  spec::Grade grade = spec::Grade::full;
};

}  // namespace qanat::serve
