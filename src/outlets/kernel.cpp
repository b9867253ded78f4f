#include "outlets/kernel.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "machine/kernel_random.h"
#include "outlets/plans.h"
#include "serve/options.h"

namespace qanat::outlets {

KernelPool::KernelPool(std::string name, serve::Schedule schedule,
                       const serve::OutletServices& services)
    : serve::ScheduledOutlet(std::move(name), schedule, services) {}

namespace {

UniqueFd open_kernel_pool() {
  UniqueFd device(::open("/dev/random", O_RDWR | O_CLOEXEC));
  if (!device) throw Failure(with_errno("outlet kernel: cannot open /dev/random", errno));
  return device;
}

}  // namespace

void KernelPool::prepare() { device_ = open_kernel_pool(); }

Result<void> KernelPool::deliver(Bytes random, const Waker& /*stop*/) {
  // Ours, and last: what came from elsewhere was fixed before this was drawn.
  WipedArray<TimingNoise::local_bytes> local;
  noise_.fill_with_times(local.view());
  const std::size_t worth = grade() == spec::Grade::full
                                ? random.size()
                                : std::min(random.size(), entropy::drbg_credit_bytes);
  return give(random, worth, local.view());
}

// Another thread's noise is not to be waited for: only when this happened is mixed in here. What a
// copy says at once is worth more than a hundred microseconds of noise, which come with the next
// delivery.
bool KernelPool::stir(Bytes seed, std::size_t credited) {
  WipedArray<32> local;
  write_timestamps(std::span<std::uint8_t, 32>(local.data(), 32));
  const auto given = give(seed, credited, local.view());
  return !seed.empty() && delivered_beside(given, credited);
}

observe::OutletReport KernelPool::report() const {
  observe::OutletReport report = serve::ScheduledOutlet::report();
  report.credited = may_credit_;
  return report;
}

Result<void> KernelPool::give(Bytes bytes, std::size_t credited, Bytes local) {
  const int problem =
      may_credit_ ? machine::add_to_kernel(device_.get(), bytes, credited, local) : EPERM;
  if (problem == 0 || problem == EPERM) credited_bits_ = problem == 0 ? 8 * credited : 0;
  if (problem == 0) return {};
  if (problem == EPIPE)
    return error("the monitor process has ended, or does not answer; restart this node");
  if (problem == EDQUOT) return error("the monitor credits no more in this minute");
  if (problem != EPERM) return error(with_errno("RNDADDENTROPY", problem));
  if (may_credit_.exchange(false)) {
    set_note("mixed in without credit: no CAP_SYS_ADMIN");
    services().on_event(name(),
                        "no CAP_SYS_ADMIN: the kernel mixes the bytes in, but credits none. "
                        "Run as root of the machine (that of a user namespace, as in a rootless "
                        "container, is another), or with AmbientCapabilities=CAP_SYS_ADMIN",
                        EventKind::note);
  }
  for (const Bytes part : {bytes, local}) {
    if (::write(device_.get(), part.data(), part.size()) != static_cast<ssize_t>(part.size())) {
      return error(with_errno("cannot write to /dev/random", errno));
    }
  }
  return {};
}

static_assert(serve::most_scheduled_bytes <= machine::most_kernel_bytes);

namespace {

OutletPlan read_kernel(const spec::Spec& spec, const OutletDefaults& defaults) {
  OutletPlan plan = plan_scheduled<KernelPool>(spec, defaults);
  plan.look = [](spec::Obstacles& found) {
    attempt_into(found, "", [] { (void)open_kernel_pool(); });
  };
  return plan;
}

}  // namespace

extern const OutletType kernel_type{
    .name = "kernel",
    .options = "every bytes grade",
    .summary = "the local kernel's pool",
    .read = read_kernel,
};

}  // namespace qanat::outlets
