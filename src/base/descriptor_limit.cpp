#include "base/descriptor_limit.h"

namespace qanat {
namespace {

rlim_t soft_limit() {
  rlimit files{};
  return ::getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : RLIM_INFINITY;
}

// Read before main.
const rlim_t at_start = soft_limit();

}  // namespace

void raise_descriptor_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

rlim_t descriptor_limit_at_start() { return at_start; }

std::size_t descriptor_limit() { return static_cast<std::size_t>(soft_limit()); }

}  // namespace qanat
