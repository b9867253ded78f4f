#include "base/memory_lock.h"

#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>

namespace qanat {

std::string why_not_locked(std::size_t bytes) {
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return "";
  // Counted against the limit at once, and touched by nobody.
  const int problem = ::mlock2(memory, bytes, MLOCK_ONFAULT) == 0 ? 0 : errno;
  ::munmap(memory, bytes);
  if (problem == 0 || problem == ENOSYS) return "";
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  return fmt::format(
      "secrets may be written to swap: cannot lock {} KiB of memory (RLIMIT_MEMLOCK is {} KiB); "
      "raise that (LimitMEMLOCK=64M in a unit, --ulimit memlock=67108864 in podman), or have no "
      "swap",
      bytes / 1024, limit.rlim_cur / 1024);
}

}  // namespace qanat
