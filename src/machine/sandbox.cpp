#include "machine/sandbox.h"

#include <cap-ng.h>
#include <fmt/core.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/files.h"
#include "base/trusted_path.h"
#include "machine/landlock.h"
#include "machine/system_calls.h"

namespace qanat::machine {
namespace {

void require(bool done, const char* what) {
  if (!done) throw Failure(with_errno(fmt::format("cannot {}", what), errno));
}

// Those of this process, and some more. What is not to be had is the socket's problem: it says so.
void join(const std::vector<std::string>& names) {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  if (::getgroups(static_cast<int>(groups.size()), groups.data()) < 0) return;
  for (const std::string& name : names) {
    std::array<char, 16384> buffer;
    group entry{};
    group* found = nullptr;
    ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found != nullptr) groups.push_back(found->gr_gid);
  }
  (void)::setgroups(groups.size(), groups.data());
}

// Its groups first, which take root.
bool become(const Account& account, const std::vector<std::string>& more_groups) {
  if (::initgroups(account.name.c_str(), account.group) != 0) return false;
  join(more_groups);
  return ::setresgid(account.group, account.group, account.group) == 0 &&
         ::setresuid(account.user, account.user, account.user) == 0;
}

void drop_capabilities() {
  // The bounding set takes CAP_SETPCAP, which who is not root has not: no new privileges does the
  // same for what it could start. (The library says on stderr what it cannot do.)
  ::capng_get_caps_process();
  const bool bounds = ::capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
  ::capng_clear(CAPNG_SELECT_ALL);
  if (bounds && ::capng_apply(CAPNG_SELECT_ALL) == 0) return;
  require(::capng_apply(CAPNG_SELECT_CAPS) == 0, "give up capabilities");
}

}  // namespace

std::optional<Account> find_account(const std::string& name) {
  std::array<char, 16384> buffer;
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    return std::nullopt;
  }
  return Account{name, entry.pw_uid, entry.pw_gid};
}

bool has_powers() {
  if (::geteuid() == 0) return true;
  ::capng_get_caps_process();
  // A session of a desktop's has one to wake the machine, say, which is nothing over others.
  constexpr std::array over_others{CAP_SYS_ADMIN,  CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH,
                                   CAP_CHOWN,      CAP_FOWNER,       CAP_SETUID,
                                   CAP_SETGID,     CAP_SYS_PTRACE,   CAP_SYS_RAWIO,
                                   CAP_SYS_MODULE, CAP_KILL,         CAP_SETFCAP};
  return std::any_of(over_others.begin(), over_others.end(), [](int capability) {
    return ::capng_have_capability(CAPNG_EFFECTIVE, static_cast<unsigned>(capability)) != 0;
  });
}

bool can_become(const Account& account) {
  if (::geteuid() != 0) return false;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(become(account, {}) ? 0 : 1);
  int status = 1;
  return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

bool reaches(const Account& account, const std::string& path) {
  for (std::string at = path; at != "/" && at != ".";) {
    at = directory_of(at);
    struct stat info {};
    if (::stat(at.c_str(), &info) != 0) continue;  // made later, by us
    const mode_t bit = info.st_uid == account.user    ? S_IXUSR
                       : info.st_gid == account.group ? S_IXGRP
                                                      : S_IXOTH;
    if ((info.st_mode & bit) == 0) return false;
  }
  return true;
}

bool may_write(const Account& account, const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return false;
  const mode_t bit = info.st_uid == account.user    ? S_IWUSR
                     : info.st_gid == account.group ? S_IWGRP
                                                    : S_IWOTH;
  return (info.st_mode & bit) != 0;
}

Confined confine(const Confinement& confinement) {
  Confined done;
  // Before the account is another: the bounding set is root's to give up.
  if (confinement.account) {
    ::capng_clear(CAPNG_SELECT_BOUNDS);
    ::capng_apply(CAPNG_SELECT_BOUNDS);
    require(become(*confinement.account, confinement.groups), "become the account");
  } else if (::geteuid() == 0) {
    join(confinement.groups);
  }
  drop_capabilities();
  require(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "give up new privileges");
  ::prctl(PR_SET_DUMPABLE, 0);
  done.user = account_name(::geteuid());
  if (confinement.foreign_libraries) {
    done.why_not = "no Landlock: a source loads a library that opens files of its own";
  } else {
    done.landlock = restrict_files(confinement);
    if (done.landlock == 0) done.why_not = "no Landlock to be had";
  }
  done.seccomp = restrict_calls(confinement.foreign_libraries, !confinement.groups.empty());
  if (!done.seccomp) {
    done.why_not += done.why_not.empty() ? "" : "; ";
    done.why_not += "no seccomp filter to be had";
  }
  return done;
}

}  // namespace qanat::machine
