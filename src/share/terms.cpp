#include "share/terms.h"

#include <fmt/core.h>

#include "base/quantity.h"

namespace qanat::share {

Result<void> check(const Terms& terms) {
  // Written so that a NaN fails too.
  if (!(terms.weight >= least_weight && terms.weight <= most_weight)) {
    return error(
        fmt::format("weight {} is not from {} to {}", terms.weight, least_weight, most_weight));
  }
  if (terms.rate > most_rate) {
    return error(fmt::format("rate {} is more than {}",
                             format_rate(static_cast<double>(terms.rate)),
                             format_rate(static_cast<double>(most_rate))));
  }
  if (terms.burst > most_burst) {
    return error(fmt::format("burst {} is more than {}",
                             format_size(static_cast<double>(terms.burst)),
                             format_size(static_cast<double>(most_burst))));
  }
  if (terms.burst > 0 && terms.rate == 0) {
    return error("a burst belongs to a guaranteed rate; give a rate too");
  }
  return {};
}

}  // namespace qanat::share
