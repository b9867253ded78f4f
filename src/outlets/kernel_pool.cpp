#include "outlets/kernel_pool.h"

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace qanat::outlets {
namespace {

constexpr std::size_t local_noise_bytes = 64;
constexpr std::size_t local_bytes = local_noise_bytes + 32;
// As the schedule has it at most.
constexpr std::size_t most_bytes = 512;
// struct rand_pool_info: two ints, then the data.
constexpr std::size_t pool_info_head = 2 * sizeof(int);

// The one privileged call: the first `credited` of `bytes` count in full, `local` not at all. 0 or
// an errno value.
int add_entropy(int fd, Bytes bytes, std::size_t credited, Bytes local) {
  WipedArray<pool_info_head + most_bytes + local_bytes> request;
  const std::array<int, 2> head{static_cast<int>(8 * credited),
                                static_cast<int>(bytes.size() + local.size())};
  std::uint8_t* out = request.view().data();
  std::memcpy(out, head.data(), pool_info_head);
  std::copy(bytes.begin(), bytes.end(), out + pool_info_head);
  std::copy(local.begin(), local.end(), out + pool_info_head + bytes.size());
  return ::ioctl(fd, RNDADDENTROPY, out) == 0 ? 0 : errno;
}

}  // namespace

KernelPool::KernelPool(std::string name, Schedule schedule, const OutletServices& services)
    : ScheduledOutlet(std::move(name), schedule, services) {}

void KernelPool::prepare() {
  device_ = UniqueFd(::open("/dev/random", O_RDWR | O_CLOEXEC));
  if (!device_) throw Failure(with_errno("outlet kernel: cannot open /dev/random", errno));
}

Result<void> KernelPool::deliver(Bytes full_entropy) {
  // Ours, and last: what came from elsewhere was fixed before this was drawn.
  WipedArray<local_bytes> local;
  noise_.fill(local.view().first(local_noise_bytes));
  write_timestamps(std::span<std::uint8_t, 32>(local.data() + local_noise_bytes, 32));
  return give(full_entropy, full_entropy.size(), local.view());
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

Result<void> KernelPool::give(Bytes bytes, std::size_t credited, Bytes local) {
  const int problem = may_credit_ ? add_entropy(device_.get(), bytes, credited, local) : EPERM;
  if (problem == 0) {
    // Linux before 4.17 has no such request, and uses the pool by itself soon enough.
    ::ioctl(device_.get(), RNDRESEEDCRNG);
    return {};
  }
  if (problem != EPERM) return error(with_errno("RNDADDENTROPY", problem));
  if (may_credit_.exchange(false)) {
    set_note("mixed in without credit: no CAP_SYS_ADMIN");
    services().on_event(name(),
                        "no CAP_SYS_ADMIN: the kernel mixes the bytes in, but credits none. "
                        "Run as root, or with AmbientCapabilities=CAP_SYS_ADMIN",
                        false);
  }
  for (const Bytes part : {bytes, local}) {
    if (::write(device_.get(), part.data(), part.size()) != static_cast<ssize_t>(part.size())) {
      return error(with_errno("cannot write to /dev/random", errno));
    }
  }
  return {};
}

}  // namespace qanat::outlets
