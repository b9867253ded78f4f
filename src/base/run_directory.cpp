#include "base/run_directory.h"

#include <unistd.h>

#include <cstdlib>

namespace qanat {

std::string run_directory() {
  const std::string system = "/run/qanat";
  if (::geteuid() == 0 || ::access(system.c_str(), W_OK) == 0) return system;
  const char* const user = std::getenv("XDG_RUNTIME_DIR");
  return user == nullptr || *user == '\0' ? "" : std::string(user) + "/qanat";
}

}  // namespace qanat
