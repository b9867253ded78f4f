// Prometheus text exposition of a snapshot (docs/metrics.md).
#pragma once

#include <string>

#include "observe/node_report.h"

namespace qanat::observe {

std::string metrics_text(const NodeReport& snapshot);

}  // namespace qanat::observe
