#include "toy.h"

#include <fstream>

#include "outlets/type.h"
#include "serve/options.h"
#include "spec/options.h"

namespace qanat::outlets {

Result<void> Toy::deliver(Bytes random, const Waker& /*stop*/) {
  std::ofstream file(path_, std::ios::app);
  file << to_hex(random) << "\n";
  file.flush();
  if (!file) return error("cannot write to " + path_);
  return {};
}

namespace {

OutletPlan read_toy(const spec::Spec& spec, const OutletDefaults& defaults) {
  const std::string path = spec::require_target(spec);
  const serve::Schedule schedule = serve::schedule_of(spec, defaults.schedule);
  return {.place = path,
          .note = text_of(schedule),
          .limits = defaults.limits,
          .make = [name = spec.text, path, schedule](const Services& services) {
            return std::make_unique<Toy>(name, path, schedule, services.common);
          }};
}

}  // namespace

extern const OutletType toy_type{"toy", "every bytes grade", "lines of hex digits in a file",
                                 read_toy};

}  // namespace qanat::outlets
