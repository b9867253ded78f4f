#include "outlets/plans.h"

namespace qanat::outlets {

OutletPlan plan_stream(const serve::StreamSettings& settings,
                       std::unique_ptr<serve::Outlet> (*make)(serve::StreamSettings,
                                                              const serve::OutletServices&)) {
  return {.place = settings.at.place(),
          .path = settings.at.unix_path,
          .note = settings.note(),
          .limits = settings.limits,
          .make = [settings,
                   make](const Services& services) { return make(settings, services.common); },
          .look = [settings](spec::Obstacles& found) { settings.at.look(settings.name, found); }};
}

}  // namespace qanat::outlets
