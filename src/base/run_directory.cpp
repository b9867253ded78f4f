#include "base/run_directory.h"

#include <unistd.h>

#include <cstdlib>

namespace qanat {

std::string run_directory() {
  constexpr const char* system = "/run/qanat";
  if (::geteuid() == 0 || ::access(system, W_OK) == 0) return system;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets any
  const char* const user = std::getenv("XDG_RUNTIME_DIR");
  return user == nullptr || *user == '\0' ? "" : std::string(user) + "/qanat";
}

}  // namespace qanat
