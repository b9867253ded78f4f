// Whether all is well, in one sentence; and if not, what to do.
#pragma once

#include <string>

#include "observe/node_report.h"

namespace qanat::observe {

struct Verdict {
  enum class Level { good, warning, bad };
  Level level = Level::good;
  std::string text;  // a sentence
  std::string hint;  // what to do; empty when all is well
};
const char* to_string(Verdict::Level level);

// Of what is wrong the worst is told; the rest can be seen below it. Of a report that was made for
// a viewer: it tells nothing that he may not see.
Verdict verdict_of(const NodeReport& report);

}  // namespace qanat::observe
