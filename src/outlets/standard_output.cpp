#include "outlets/standard_output.h"

#include <unistd.h>

#include <cerrno>

namespace qanat::outlets {

Result<void> StandardOutput::deliver(Bytes random) {
  while (!random.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, random.data(), random.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error(with_errno("cannot write to standard output", errno));
    random = random.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace qanat::outlets
