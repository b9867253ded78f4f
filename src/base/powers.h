// What this process may not do itself: its monitor does it (monitor/monitor.h).
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/processes.h"

namespace qanat {

// Thread-safe. Each call waits for the monitor, which answers within milliseconds; without it, they
// fail with EPIPE.
class Powers {
 public:
  virtual ~Powers() = default;

  // A file or device that the configuration names; `flags` of open(2): how it is accessed, and
  // O_NONBLOCK; nothing is made or emptied. Or an errno value.
  virtual tl::expected<UniqueFd, int> open(const std::string& path, int flags) = 0;
  // Binds a TCP or UDP socket to a port that the configuration names. 0 or an errno value.
  virtual int bind(int socket, const sockaddr* name, socklen_t size) = 0;
  // As machine/kernel_random.h; EDQUOT: more was credited in this minute than it allows.
  virtual int add_to_kernel(Bytes bytes, std::size_t credited, Bytes local) = 0;

  // A command that the configuration names; ShellCommand speaks to it over `link`.
  struct Started {
    pid_t group = -1;
    UniqueFd link;
  };
  virtual Result<Started> start(
      const std::string& command, int output,
      const std::vector<std::pair<std::string, std::string>>& variables) = 0;

  // As base/processes.h; a process in a sandbox sees nothing of others.
  virtual std::optional<Holder> find_holder(std::span<const dev_t> devices, pid_t group) = 0;
};

// Null where this process does everything itself. Set once, before there are threads.
Powers* powers();
void set_powers(Powers* powers);

// open(2), with O_CLOEXEC and O_NOCTTY; what may not be opened is asked of the monitor. -1: errno
// says why.
int open_file(const std::string& path, int flags);

}  // namespace qanat
