#include <fmt/core.h>

#include "base/quantity.h"
#include "cli/doctor/check.h"

namespace qanat::cli::doctor {

Findings check(const Account& account) {
  Findings found;
  const std::string who = account.root ? "root" : "account " + account.name;
  if (account.may_credit) {
    found.push_back({Level::ok, "powers", who + " may credit the kernel (CAP_SYS_ADMIN)", ""});
  } else if (account.root) {
    found.push_back({Level::warn, "powers",
                     "root without CAP_SYS_ADMIN: a feed mixes bytes into the kernel, and credits "
                     "none",
                     "in a container add that capability, or feed the host"});
  } else {
    found.push_back({Level::note, "powers",
                     who + " may not credit the kernel: a feed of its own mixes bytes in, and "
                           "credits none",
                     "feed as root, or by qanat-feed.service; look again as root (sudo qanat "
                     "doctor)"});
  }
  if (account.root && !account.separate) {
    found.push_back(
        {Level::note, "powers",
         "there is no account 'qanat': a node runs as root, without capabilities",
         "make it: useradd --system --home-dir /var/lib/qanat --shell /usr/sbin/nologin "
         "qanat"});
  }
  constexpr std::uint64_t few_descriptors = 4096;
  if (account.descriptors < few_descriptors) {
    found.push_back({Level::warn, "limits",
                     fmt::format("{} open files (RLIMIT_NOFILE): a hub has room for fewer clients",
                                 account.descriptors),
                     "raise it: LimitNOFILE=65536 in a unit, 'ulimit -n' in a shell"});
  } else {
    found.push_back({Level::ok, "limits", fmt::format("{} open files", account.descriptors), ""});
  }
  // A reserve of the usual size, the blocks of some hundred connections, and their guard pages.
  constexpr std::uint64_t little_memory = 2 << 20;
  if (account.locked_bytes < little_memory) {
    found.push_back(
        {Level::warn, "limits",
         fmt::format("{} of locked memory (RLIMIT_MEMLOCK): secrets may be swapped to disk",
                     format_size(static_cast<double>(account.locked_bytes))),
         "raise it: LimitMEMLOCK=64M in a unit, 'ulimit -l' in a shell; or use no swap"});
  } else {
    found.push_back(
        {Level::ok, "limits",
         account.locked_bytes == UINT64_MAX
             ? "locked memory without limit"
             : format_size(static_cast<double>(account.locked_bytes)) + " of locked memory",
         ""});
  }
  return found;
}

Findings check(const StateDirectory& state) {
  const auto finding = [&state](Level level, const std::string& text, const std::string& remedy) {
    return Findings{{level, "state", state.path + ": " + text, remedy}};
  };
  if (!state.problem.empty()) {
    return {{Level::fail, "state", state.problem,
             "a node does not start from it: mend that, or name another with --state"}};
  }
  if (!state.there) {
    return finding(Level::note, "not there yet", "the first start of a node makes it");
  }
  if (!state.visible) {
    return finding(
        Level::note, "only " + state.owner + " may look into it",
        fmt::format("look again as {}: sudo -u {} qanat doctor", state.owner, state.owner));
  }
  if (state.read_only) {
    return finding(Level::fail, "its file system is read-only: new clients cannot be kept",
                   "mount it for writing, or name a directory elsewhere with --state");
  }
  if (!state.writable) {
    return finding(Level::note, "belongs to " + state.owner + ", and this account cannot write it",
                   "run nodes on it as " + state.owner);
  }
  constexpr std::uint64_t little_space = 1 << 20;
  if (state.free_bytes < little_space) {
    return finding(Level::fail,
                   fmt::format("{} are free on its disk: new clients cannot be kept",
                               format_size(static_cast<double>(state.free_bytes))),
                   "make room: a node needs less than 1 MiB");
  }
  return finding(Level::ok,
                 fmt::format("{} free, of {}", format_size(static_cast<double>(state.free_bytes)),
                             state.owner),
                 "");
}

}  // namespace qanat::cli::doctor
