#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/quantity.h"
#include "cli/doctor/check.h"

namespace qanat::cli::doctor {
namespace {

using Version = std::pair<int, int>;  // major, minor

// "6.1.0-18-amd64"; {0, 0} for what is no version.
Version version_of(const std::string& release) {
  const std::size_t first = release.find_first_not_of("0123456789");
  if (first == std::string::npos || release[first] != '.') return {};
  const std::size_t second = release.find_first_not_of("0123456789", first + 1);
  const auto major = parse_number<int>(std::string_view(release).substr(0, first));
  const auto minor =
      parse_number<int>(std::string_view(release).substr(first + 1, second - first - 1));
  if (!major || !minor) return {};
  return {*major, *minor};
}

// As the kernel cuts them, to 15 bytes.
struct Rival {
  std::string_view name;
  Level level;
  std::string_view text;
  std::string_view remedy;
};
constexpr std::string_view idle_daemon =
    "on a kernel since 5.18 it feeds next to nothing; remove its package if nothing else needs it";
constexpr std::array rivals{
    Rival{"rngd", Level::note, "reads /dev/hwrng, too, and credits the kernel by itself",
          "stop it where qanat reads that device: systemctl disable --now rngd rng-tools-debian"},
    Rival{"haveged", Level::note, "feeds the kernel from processor timing", idle_daemon},
    Rival{"jitterentropy-r", Level::note, "feeds the kernel from processor timing", idle_daemon},
    Rival{"ekeyd", Level::warn, "holds EntropyKeys: a source 'entropykey' cannot have them as well",
          "stop it (systemctl disable --now ekeyd), or read its socket: source egd:PATH"},
    Rival{"ekeyd-egd-linu", Level::note, "waits for low entropy, which never comes",
          "use 'qanat feed' in its place, and stop it"},
};

}  // namespace

const char* to_string(Level level) {
  constexpr std::array names{"ok", "note", "warn", "fail"};
  return names[static_cast<std::size_t>(level)];
}

Findings check(const Kernel& kernel) {
  const Version version = version_of(kernel.release);
  Findings found;
  std::string can = kernel.seccomp ? "seccomp" : "no seccomp";
  can += kernel.landlock > 0 ? fmt::format(", Landlock {}", kernel.landlock) : ", no Landlock";
  const std::string text = fmt::format("Linux {}: {}", kernel.release, can);
  if (version < Version{5, 6}) {
    found.push_back({Level::warn, "kernel", text + "; reads of /dev/random may wait for ever",
                     "since 5.6 they do not: use a newer kernel"});
  } else if (version < Version{5, 18}) {
    found.push_back({Level::note, "kernel", text + "; it does not notice that a guest was copied",
                     "since 5.18 it does, where the host offers vmgenid"});
  } else if (!kernel.seccomp || kernel.landlock == 0) {
    found.push_back({Level::note, "kernel", text,
                     "a node runs with less around it; a kernel with both confines it more"});
  } else {
    found.push_back({Level::ok, "kernel", text, ""});
  }
  if (kernel.initialised) {
    found.push_back({Level::ok, "kernel RNG", "initialised", ""});
  } else {
    found.push_back({Level::fail, "kernel RNG",
                     "not initialised: programs that ask for random bytes wait",
                     "feed it: qanat feed UPSTREAM --once, or attach a hardware or virtio RNG"});
  }
  return found;
}

Findings check(const HardwareRng& device) {
  if (!device.interface || device.current.empty() || device.current == "none") {
    return {{Level::note, "hardware RNG", "the kernel drives none",
             "if the machine has one, load its driver (tpm, virtio-rng, ...); 'qanat sources' "
             "lists what else there is"}};
  }
  if (!device.unreadable.empty()) {
    return {
        {Level::warn, "hardware RNG",
         fmt::format("{}, but this account cannot read it: {}", device.current, device.unreadable),
         "run the node as root or as user qanat, with 60-qanat.rules of the package in "
         "/lib/udev/rules.d"}};
  }
  return {{Level::ok, "hardware RNG", device.current + ", /dev/hwrng can be read", ""}};
}

Findings check(const Time& time) {
  constexpr std::int64_t before_qanat = 1'735'689'600;  // 2025
  constexpr double notable_jump = 0.5;
  if (time.wall < before_qanat) {
    return {
        {Level::fail, "clock", "it is before 2025 here: no certificate is valid yet",
         "set it: date -s, or a time daemon; a machine without a clock needs one at each boot"}};
  }
  if (time.jump > notable_jump || time.jump < -notable_jump) {
    return {{Level::warn, "clock",
             fmt::format("was set by {:+.1f} s while it was looked at", time.jump),
             "if that goes on, two programs set it: keep one time daemon"}};
  }
  if (!time.synchronised) {
    return {{Level::warn, "clock", "not synchronised: nobody keeps it right",
             "run a time daemon (chrony, systemd-timesyncd); in a container, on its host"}};
  }
  return {{Level::ok, "clock", "synchronised", ""}};
}

Findings check(const Guest& guest) {
  if (!guest.virtual_machine) return {};
  const std::string what =
      "a virtual machine" + (guest.maker.empty() ? "" : " (" + guest.maker + ")");
  std::string ways;
  const auto add = [&ways](const std::string& way) { ways += (ways.empty() ? "" : ", ") + way; };
  if (guest.generation_device) add("vmgenid");
  if (guest.clock_device) add("vmclock");
  for (const std::string& port : guest.ports) add("port " + port);
  if (guest.generation_device && !guest.generation_driver && guest.ports.empty()) {
    return {{Level::warn, "guest",
             what + " with vmgenid, which its kernel does not listen to: copies go unnoticed",
             "use a kernel with CONFIG_VMGENID (since 5.18; Debian's cloud kernel has it not)"}};
  }
  if (ways.empty()) {
    return {{Level::note, "guest", what + ": that it was copied is noticed by clocks alone",
             "give it vmgenid or a port org.qanat.0: docs/virtual-machines.md"}};
  }
  return {{Level::ok, "guest", what + ": copies are noticed by " + ways, ""}};
}

Findings check(const std::vector<Process>& processes) {
  Findings found;
  for (const Process& process : processes) {
    const auto* const rival = std::find_if(rivals.begin(), rivals.end(),
                                           [&](const Rival& r) { return process.name == r.name; });
    if (rival == rivals.end()) continue;
    found.push_back({rival->level, "other daemon",
                     fmt::format("{} (pid {}) {}", process.name, process.pid, rival->text),
                     std::string(rival->remedy)});
  }
  if (found.empty()) found.push_back({Level::ok, "other daemon", "none that competes", ""});
  return found;
}

}  // namespace qanat::cli::doctor
