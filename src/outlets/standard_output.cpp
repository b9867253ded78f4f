#include "outlets/standard_output.h"

#include <unistd.h>

#include <cerrno>

namespace qanat::outlets {

Result<void> StandardOutput::deliver(Bytes full_entropy) {
  while (!full_entropy.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, full_entropy.data(), full_entropy.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error(with_errno("cannot write to standard output", errno));
    full_entropy = full_entropy.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace qanat::outlets
