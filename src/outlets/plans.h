// Plans that several types of outlets have alike.
#pragma once

#include "outlets/type.h"
#include "serve/options.h"
#include "serve/stream_settings.h"

namespace qanat::outlets {

// Of a stream protocol that cannot tell who draws.
OutletPlan plan_stream(const serve::StreamSettings& settings,
                       std::unique_ptr<serve::Outlet> (*make)(serve::StreamSettings,
                                                              const serve::OutletServices&));

// Of one that delivers by time, to the only place of its kind. `Kind`: a ScheduledOutlet, made of
// (name, schedule, services).
template <typename Kind>
OutletPlan plan_scheduled(const spec::Spec& spec, const OutletDefaults& defaults) {
  const serve::Schedule schedule = serve::schedule_of(spec, defaults.schedule);
  return {.place = spec.target.empty() ? spec.type : spec.target,
          .note = text_of(schedule),
          .limits = defaults.limits,
          .make = [name = spec.text, schedule](const Services& services) {
            return std::make_unique<Kind>(name, schedule, services.common);
          }};
}

}  // namespace qanat::outlets
