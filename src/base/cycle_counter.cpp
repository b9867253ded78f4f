#include "base/cycle_counter.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#else
#include <time.h>
#endif

namespace qanat {

std::uint64_t ticks() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC_RAW, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1000000000U + static_cast<std::uint64_t>(t.tv_nsec);
#endif
}

}  // namespace qanat
