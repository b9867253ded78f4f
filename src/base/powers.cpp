#include "base/powers.h"

#include <fcntl.h>

#include <cerrno>

namespace qanat {
namespace {

Powers* process_powers = nullptr;

}  // namespace

Powers* powers() { return process_powers; }

void set_powers(Powers* powers) { process_powers = powers; }

int open_file(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY);
  // EBUSY: a line that somebody has for himself (TIOCEXCL), who may have gone long since.
  const bool forbidden = errno == EACCES || errno == EPERM || errno == EBUSY;
  if (fd >= 0 || powers() == nullptr || !forbidden) return fd;
  const int why = errno;
  auto opened = powers()->open(path, flags);
  if (opened) return opened->release();
  // A path that the monitor does not know, or a monitor that is gone: it is one that we may not
  // open.
  errno = opened.error() == EACCES || opened.error() == EPIPE ? why : opened.error();
  return -1;
}

}  // namespace qanat
