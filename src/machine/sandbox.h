// What this process may do from now on: no capabilities, few system calls (seccomp(2)), few files
// (Landlock). For the node, which reads what comes from a network; docs/architecture.md, Two
// processes.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace qanat::machine {

// An account of this machine.
struct Account {
  std::string name;
  uid_t user = 0;
  gid_t group = 0;
};
// Whose a node is that root starts (packaging/qanat.sysusers).
inline constexpr const char* usual_account = "qanat";
// nullopt: there is none of that name.
std::optional<Account> find_account(const std::string& name);
// Whether this process is root's, or has a capability that gives it something over others.
bool has_powers();
// Whether this process, root's, can become it; not where a container took that from it. Tried by a
// child.
bool can_become(const Account& account);
// Whether it can pass through every directory above `path` (by owner, group and mode).
bool reaches(const Account& account, const std::string& path);
// Whether it may write this file or directory, by owner, group and mode; not by other groups of
// its.
bool may_write(const Account& account, const std::string& path);

struct Confinement {
  // Whom it becomes; nullopt: it stays who it is. Takes root.
  std::optional<Account> account;
  // Groups that it is in beside its own, where this process is root's: those to which it gives
  // sockets.
  std::vector<std::string> groups = {};
  // Beside what every program reads (libraries, /etc for names and certificates, /proc, /sys). What
  // does not exist is passed over, now and later.
  std::vector<std::string> readable = {};     // files, and directories with all below
  std::vector<std::string> writable = {};     // files and devices: read, written
  std::vector<std::string> directories = {};  // with all below: files and sockets made, removed
  std::vector<std::string> sockets = {};      // directories where no more than sockets are made
  // It loads libraries of others, which open what they want: no Landlock, and some more calls.
  bool foreign_libraries = false;
};

// What came of it.
struct Confined {
  std::string user;      // "qanat", "uid 1000"
  bool seccomp = false;  // false: this kernel has none, or a build for a sanitizer
  int landlock = 0;      // its ABI; 0: none
  std::string why_not;   // what is missing, and why; empty: nothing
};

// Irreversible. Before there are threads, which inherit it. What the kernel does not have is left
// out and said; throws Failure where it has it and refuses.
Confined confine(const Confinement& confinement);

}  // namespace qanat::machine
