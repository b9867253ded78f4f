#include "observe/reports.h"

namespace qanat::observe {

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
          .account = account};
}

}  // namespace qanat::observe
