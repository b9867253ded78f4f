// Prometheus text exposition of a snapshot (docs/metrics.md).
#pragma once

#include <string>

#include "observe/snapshot.h"

namespace qanat::observe {

std::string metrics_text(const Snapshot& snapshot);

}  // namespace qanat::observe
