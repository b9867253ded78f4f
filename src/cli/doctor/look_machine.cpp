#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/landlock.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <thread>

#include "base/files.h"
#include "base/processes.h"
#include "base/quantity.h"
#include "base/shown.h"
#include "base/trusted_path.h"
#include "cli/doctor/look.h"
#include "machine/sandbox.h"
#include "node/state_dir.h"

namespace qanat::cli::doctor {
namespace {

bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// A file of /sys or /proc, without the end of its line; empty when there is none.
std::string line_of(const std::string& path) {
  const auto text = read_file(path, 4096);
  if (!text) return "";
  std::string line = text->substr(0, text->find('\n'));
  while (!line.empty() && (line.back() == ' ' || line.back() == '\0')) line.pop_back();
  return escaped(line);
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  DIR* const open = ::opendir(directory.c_str());
  if (open == nullptr) return names;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): this stream is nobody else's
  while (const dirent* const entry = ::readdir(open)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  ::closedir(open);
  std::sort(names.begin(), names.end());
  return names;
}

std::uint64_t hard_limit(__rlimit_resource_t which) {
  rlimit limit{};
  if (::getrlimit(which, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_max;
}

// "Name:\tvalue" in /proc/self/status; empty when it is not there.
std::string status_field(std::string_view name) {
  const auto text = read_file("/proc/self/status", 1 << 16);
  if (!text) return "";
  const std::size_t at = text->find("\n" + std::string(name) + ":");
  if (at == std::string::npos) return "";
  const std::size_t value = text->find_first_not_of(": \t", at + 1 + name.size());
  return text->substr(value, text->find('\n', value) - value);
}

// How far the clock on the wall is ahead of the one that counts on through a suspend.
double wall_ahead() {
  timespec wall{};
  timespec boot{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  return static_cast<double>(wall.tv_sec - boot.tv_sec) +
         static_cast<double>(wall.tv_nsec - boot.tv_nsec) / 1e9;
}

// Of ACPI, by the names under which hypervisors offer it (QEMU, Firecracker, Hyper-V), or of the
// device tree.
constexpr std::array generation_devices{"QEMUVGID:", "FCVMGID:", "VMGENCTR:", "MSFT1000:"};

}  // namespace

Kernel look_at_kernel() {
  Kernel kernel;
  utsname name{};
  if (::uname(&name) == 0) kernel.release = escaped(name.release);
  std::uint8_t byte = 0;
  // Of the grade that waits for nothing: it takes none from anybody.
  kernel.initialised = ::getrandom(&byte, 1, GRND_NONBLOCK) == 1 || errno != EAGAIN;
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  kernel.landlock = version > 0 ? static_cast<int>(version) : 0;
  kernel.seccomp = is_there("/proc/sys/kernel/seccomp/actions_avail");
  return kernel;
}

HardwareRng look_at_hardware_rng() {
  HardwareRng device;
  device.interface = is_there("/sys/class/misc/hw_random");
  device.current = line_of("/sys/class/misc/hw_random/rng_current");
  const UniqueFd fd(::open("/dev/hwrng", O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) device.unreadable = with_errno("/dev/hwrng", errno);
  return device;
}

Account look_at_account() {
  constexpr unsigned sys_admin = 21;
  Account account;
  account.root = ::geteuid() == 0;
  account.name = account_name(::geteuid());
  account.separate = machine::find_account(machine::usual_account).has_value();
  const auto powers = parse_number<std::uint64_t>(status_field("CapEff"), 16);
  account.may_credit = powers && (*powers >> sys_admin & 1U) != 0;
  account.descriptors = hard_limit(RLIMIT_NOFILE);
  account.locked_bytes = hard_limit(RLIMIT_MEMLOCK);
  // CAP_IPC_LOCK: no limit holds.
  constexpr unsigned ipc_lock = 14;
  if (powers && (*powers >> ipc_lock & 1U) != 0) account.locked_bytes = UINT64_MAX;
  return account;
}

Time look_at_time(Duration moment) {
  Time time;
  const double before = wall_ahead();
  timex state{};
  time.synchronised = ::adjtimex(&state) >= 0 && (state.status & STA_UNSYNC) == 0;
  std::this_thread::sleep_for(moment);
  time.wall = std::time(nullptr);
  time.jump = wall_ahead() - before;
  return time;
}

Guest look_at_guest() {
  Guest guest;
  const auto processors = read_file("/proc/cpuinfo", 1 << 16);
  const std::string xen = line_of("/sys/hypervisor/type");
  guest.virtual_machine =
      !xen.empty() || (processors && processors->find(" hypervisor") != std::string::npos);
  guest.maker = line_of("/sys/class/dmi/id/sys_vendor");
  const std::string product = line_of("/sys/class/dmi/id/product_name");
  if (!product.empty()) guest.maker += (guest.maker.empty() ? "" : " ") + product;
  if (guest.maker.empty()) guest.maker = xen;
  for (const std::string& name : names_in("/sys/bus/acpi/devices")) {
    for (const std::string_view known : generation_devices) {
      guest.generation_device = guest.generation_device || name.starts_with(known);
    }
  }
  for (const char* const bus : {"acpi", "platform"}) {
    const std::string driver = fmt::format("/sys/bus/{}/drivers/vmgenid", bus);
    for (const std::string& name : names_in(driver)) {
      struct stat info {};
      const std::string path = fmt::format("{}/{}", driver, name);
      if (::lstat(path.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) continue;
      guest.generation_driver = guest.generation_driver || name != "module";
    }
  }
  guest.generation_device = guest.generation_device || guest.generation_driver;
  guest.clock_device = is_there("/dev/vmclock0");
  for (std::string& name : names_in("/dev/virtio-ports")) {
    if (name.starts_with("org.qanat.")) guest.ports.push_back(escaped(name));
  }
  return guest;
}

std::vector<Process> look_at_processes() {
  std::vector<Process> processes;
  for (const pid_t pid : list_processes()) processes.push_back({pid, name_of_process(pid)});
  return processes;
}

StateDirectory look_at_state(const std::string& path) {
  StateDirectory state;
  state.path = path;
  const node::StateDir directory(path);
  struct stat info {};
  state.there = ::stat(path.c_str(), &info) == 0;
  // Above it is one that this account may not pass through.
  if (!state.there && errno == EACCES) {
    state.there = true;
    state.visible = false;
    state.owner = "root";
    return state;
  }
  if (state.there) {
    state.owner = account_name(info.st_uid);
    if (info.st_uid != ::geteuid() && ::geteuid() != 0) {
      state.visible = ::access(path.c_str(), R_OK | X_OK) == 0;
      if (!state.visible) return state;
    }
  }
  // Another's is judged by who it is: not here.
  const bool ours = !state.there || info.st_uid == ::geteuid() || directory.check_owner();
  try {
    if (ours) (void)directory.look();
  } catch (const Failure& problem) {
    state.problem = problem.what();
  }
  if (!state.there) return state;
  if (!S_ISDIR(info.st_mode)) state.problem = "is not a directory";
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) == 0) {
    state.read_only = (disk.f_flag & ST_RDONLY) != 0;
    state.free_bytes = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  }
  state.writable = ::access(path.c_str(), W_OK) == 0;
  return state;
}

}  // namespace qanat::cli::doctor
