// The processes of this machine and the files that they have open, as /proc has them.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace qanat {

// Of all that this account can see; empty where there is no /proc.
std::vector<pid_t> list_processes();

// Paths in /proc that lead to what the process has open, one per descriptor: "/proc/1/fd/0". Empty
// when it has ended, or belongs to others. To stat(2) one may wait for a server that is away;
// lstat(2) and readlink(2) do not.
std::vector<std::string> open_files_of(pid_t process);

// What it runs (the kernel's "comm", of at most 15 bytes), made printable; "?" when it has ended.
std::string name_of_process(pid_t process);

// A process that has a device open for reading.
struct Holder {
  pid_t process = -1;
  std::string name;  // name_of_process
};
// The first that is found which has one of these character devices open, of this process group (0:
// of any), but for `myself`. nullopt: none that can be seen.
std::optional<Holder> find_holder(std::span<const dev_t> devices, pid_t group, pid_t myself);
// The same for this process; by the monitor, where it has one (base/powers.h).
std::optional<Holder> find_holder(std::span<const dev_t> devices, pid_t group);

// The number of the device at a path; nullopt: there is none.
std::optional<dev_t> device_at(const std::string& path);

}  // namespace qanat
