#include "observe/reports.h"

#include <algorithm>

namespace qanat::observe {
namespace {

// By the names that metrics and the status document have: "repetition_count".
std::map<std::string, std::uint64_t> by_name(const entropy::SourceHealth::TestFailures& failures) {
  std::map<std::string, std::uint64_t> out;
  for (std::size_t i = 0; i < failures.size(); ++i) {
    const auto test = static_cast<entropy::Alarm>(i);
    if (test == entropy::Alarm::none) continue;
    std::string name = entropy::to_string(test);
    std::replace(name.begin(), name.end(), ' ', '_');
    out[name] = failures[i];
  }
  return out;
}

}  // namespace

SourceReport report_of(std::string name, const entropy::Claim& claim,
                       const entropy::IntakeReport& intake, entropy::SourceId account) {
  return {.name = std::move(name),
          .state = intake.state,
          .detail = intake.detail,
          .rate = intake.rate,
          .h = claim.h,
          .credit = intake.credit,
          .bytes = intake.samples,
          .alarms = intake.alarms,
          .failures = intake.failures,
          .blocks = intake.blocks,
          .dropped = {{"outdated", intake.outdated}},
          .account = account,
          .last_window = intake.last_window,
          .test_failures = by_name(intake.test_failures),
          .estimate = intake.estimate};
}

}  // namespace qanat::observe
