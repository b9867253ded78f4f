// When an outlet delivers by itself, how much, and on what terms.
#pragma once

#include "base/clock.h"
#include "share/terms.h"
#include "wire/grade.h"

namespace qanat::outlets {

struct Schedule {
  // Between two deliveries; each gap is drawn from 90 % to 110 % of it, so that machines that
  // booted together drift apart.
  Duration every = std::chrono::seconds(60);  // zero: as fast as its share of the bytes comes
  std::size_t bytes = 64;
  share::Terms terms = {};
  wire::Grade grade = wire::Grade::full;
};

}  // namespace qanat::outlets
