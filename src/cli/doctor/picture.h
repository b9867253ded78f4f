// This machine as `qanat doctor` sees it: what the looks (look.h) gather and the checks (check.h)
// judge.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace qanat::cli::doctor {

struct Kernel {
  std::string release = {};  // "6.1.0-18-amd64"
  bool initialised = true;   // its generator: getrandom(2) would not wait
  int landlock = 0;          // version of its interface; 0: none
  bool seccomp = false;
};

struct HardwareRng {
  bool interface = false;       // the kernel has a framework for hardware RNGs
  std::string current = {};     // the driver in use; empty: none
  std::string unreadable = {};  // why this account cannot open /dev/hwrng; empty: it can
};

struct Account {
  std::string name = {};
  bool root = false;
  bool separate = true;            // the account that a node of root's runs as is there
  bool may_credit = false;         // CAP_SYS_ADMIN
  std::uint64_t descriptors = 0;   // that may be open, the hard limit
  std::uint64_t locked_bytes = 0;  // of memory, RLIMIT_MEMLOCK, the hard limit
};

struct Time {
  std::int64_t wall = 0;  // seconds since 1970
  bool synchronised = false;
  double jump = 0;  // seconds by which the clock on the wall was set while it was looked at
};

struct StateDirectory {
  std::string path = {};
  std::string owner = {};    // the account
  std::string problem = {};  // why a node would not take it
  bool there = false;
  bool visible = true;  // this account may look into it
  bool writable = false;
  bool read_only = false;  // its file system
  std::uint64_t free_bytes = 0;
};

struct Configuration {
  std::string path = {};                // empty: there is none, and the defaults hold
  std::vector<std::string> wrong = {};  // why a node would not start from it, or be of no use
  std::vector<std::string> warnings = {};
  // Sources that are not there now, and why: "device:/dev/x (/dev/x: No such file or directory)".
  std::vector<std::string> absent = {};
};

// Where an outlet of the configuration listens.
struct Port {
  std::string place = {};   // "tcp 127.0.0.1:7748"
  std::string holder = {};  // who listens there: a program's name; empty: nobody; "?": unknown
  pid_t pid = 0;
  bool is_node = false;
};

struct Upstream {
  std::string name = {};  // without secrets
  std::string problem = {};
  // misnamed: it cannot be what was meant, as its file is not there, or it speaks another
  // protocol.
  enum class Trouble {
    none,
    unreadable,
    misnamed,
    unreachable,
    distrusted,
    refused,
    slow
  } trouble{};
};

struct Process {
  pid_t pid = 0;
  std::string name = {};
};

struct Guest {
  bool virtual_machine = false;
  std::string maker = {};               // "QEMU Standard PC"
  bool generation_device = false;       // vmgenid
  bool generation_driver = false;       // and the kernel listens to it
  bool clock_device = false;            // vmclock
  std::vector<std::string> ports = {};  // of virtio, by name
};

struct RunningNode {
  std::string state = {};    // its directory
  std::string problem = {};  // why it could not be asked
  std::string role = {};
  std::string level = {};  // of its verdict: good, warning, bad
  std::string text = {};
  std::string hint = {};
};

}  // namespace qanat::cli::doctor
