#include "base/backoff.h"

#include <algorithm>

namespace qanat {

Duration Backoff::next() {
  // 2^20 times any base is beyond every cap in use, and the shift cannot overflow.
  const unsigned doublings = std::min(attempts_, 20U);
  const Duration ceiling = std::min(cap_, base_ * (std::int64_t{1} << doublings));
  ++attempts_;
  const auto low = std::min(floor_, ceiling).count();
  return Duration(std::uniform_int_distribution<Duration::rep>(low, ceiling.count())(random_));
}

}  // namespace qanat
