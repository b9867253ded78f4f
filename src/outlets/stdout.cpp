#include "outlets/stdout.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "outlets/plans.h"
#include "serve/options.h"

namespace qanat::outlets {

Result<void> StandardOutput::deliver(Bytes random, const Waker& stop) {
  while (!random.empty()) {
    // Others may have the same pipe or terminal as their standard output, so it stays one that
    // blocks; but a pipe that can be written takes so much at once.
    if (wait_for(STDOUT_FILENO, POLLOUT, stop, std::nullopt) == Wake::woken) {
      return error("stopped while nobody read standard output");
    }
    const ssize_t n =
        ::write(STDOUT_FILENO, random.data(), std::min(random.size(), std::size_t{PIPE_BUF}));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return error(with_errno("cannot write to standard output", errno));
    random = random.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

extern const OutletType stdout_type{
    .name = "stdout",
    .options = "every bytes grade",
    .summary = "raw bytes on standard output",
    .read = plan_scheduled<StandardOutput>,
};

}  // namespace qanat::outlets
