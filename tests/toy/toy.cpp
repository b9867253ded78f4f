#include "toy.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "outlets/type.h"
#include "serve/options.h"
#include "spec/options.h"

namespace qanat::outlets {

void Toy::prepare() {
  file_ = UniqueFd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file_) throw Failure(with_errno(name() + ": cannot open " + path_, errno));
}

Result<void> Toy::deliver(Bytes random, const Waker& /*stop*/) {
  // Secret until they are written: no ordinary string.
  SecretBytes line(2 * random.size() + 1);
  write_hex(random, {reinterpret_cast<char*>(line.view().data()), 2 * random.size()});
  line.view().back() = '\n';
  const auto size = static_cast<ssize_t>(line.size());
  if (::write(file_.get(), line.view().data(), line.size()) != size) {
    return error(with_errno("cannot write to " + path_, errno));
  }
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

extern const OutletType toy_type{
    .name = "toy",
    .options = "every bytes grade",
    .summary = "lines of hex digits in a file",
    .read = read_toy,
};

}  // namespace qanat::outlets
