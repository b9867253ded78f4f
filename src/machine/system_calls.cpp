#include "machine/system_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/random.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace qanat::machine {
namespace {

// By purpose. Names that an architecture does not have are passed over.
constexpr std::string_view allowed = R"(
    brk mmap mmap2 munmap mremap mprotect madvise mlock mlock2 munlock mincore membarrier

    futex futex_time64 futex_waitv set_robust_list get_robust_list rseq set_tid_address
    sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_getscheduler
    sched_get_priority_max sched_get_priority_min arch_prctl exit exit_group gettid

    openat openat2 open creat close close_range dup dup2 dup3 pipe pipe2 flock
    read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek
    ftruncate ftruncate64 fsync fdatasync fallocate fadvise64 fadvise64_64
    copy_file_range sendfile sendfile64 splice tee memfd_create
    stat stat64 lstat lstat64 fstat fstat64 newfstatat fstatat64 statx access faccessat faccessat2
    statfs statfs64 fstatfs fstatfs64 getdents getdents64 readlink readlinkat getcwd umask
    rename renameat renameat2 link linkat unlink unlinkat mkdir mkdirat rmdir mknod mknodat
    utimensat
    inotify_init inotify_init1 inotify_add_watch inotify_rm_watch

    poll ppoll ppoll_time64 select _newselect pselect6 epoll_create epoll_create1 epoll_ctl
    epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 timerfd_create timerfd_settime
    timerfd_settime64 timerfd_gettime timerfd_gettime64 nanosleep clock_nanosleep
    clock_nanosleep_time64 clock_gettime clock_gettime64 clock_getres clock_getres_time64
    gettimeofday time times restart_syscall pause

    bind listen accept accept4 connect shutdown getsockname getpeername getsockopt
    setsockopt send recv sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg recvmmsg_time64

    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait rt_sigtimedwait_time64 rt_sigpending
    rt_sigsuspend sigreturn sigaltstack signalfd signalfd4 wait4 waitid

    getpid getppid getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getgroups
    getgroups32 getresuid getresgid getresuid32 getresgid32 getpgid getpgrp getsid uname sysinfo
    getrlimit ugetrlimit setrlimit getrusage getcpu getrandom capget)";
// Sound cards share buffers between programs; a token's module may.
constexpr std::string_view for_libraries = R"(
    shmget shmat shmdt shmctl semget semop semctl semtimedop semtimedop_time64 ipc msync
    getpriority)";
// What libraries try and do without.
constexpr std::string_view absent = R"(
    clone3 io_uring_setup io_uring_enter io_uring_register sched_setscheduler sched_setattr
    sched_getattr mbind set_mempolicy get_mempolicy setpriority ioprio_set personality mlockall
    munlockall pidfd_open process_madvise)";
// Calls that are newer than this list, and than libseccomp's: a C library that is, too, tries them
// and does without. The same numbers on all architectures.
constexpr int first_new_call = 451;
constexpr int last_new_call = 480;
// What a socket of ours is given.
constexpr std::string_view groups_of_sockets = "chown chown32";
// Owners of signals (F_SETOWN, F_SETSIG) are not among these: a signal would reach others.
// Of Linux 6.10: whether two descriptors are one file.
constexpr int dupfd_query = 1027;
constexpr std::array descriptor_commands{
    F_DUPFD,      F_DUPFD_CLOEXEC, F_GETFD,     F_SETFD,     F_GETFL,     F_SETFL,
    F_GETLK,      F_SETLK,         F_SETLKW,    F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW,
    F_SETPIPE_SZ, F_GETPIPE_SZ,    F_ADD_SEALS, F_GET_SEALS, dupfd_query};
// Of this thread and its memory alone.
constexpr std::array thread_options{
    PR_SET_NAME,       PR_GET_NAME,       PR_SET_VMA,     PR_GET_DUMPABLE,    PR_CAPBSET_READ,
    PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_GET_SECCOMP, PR_SET_THP_DISABLE, PR_GET_NO_NEW_PRIVS};
// Terminals that are serial lines, what waits in a pipe or socket, the kernel's pool, interfaces by
// name; of nothing that types (TIOCSTI, TIOCLINUX) or sends signals (FIOSETOWN, SIOCSPGRP).
// TCGETS2 and its kin: what tcgetattr and isatty ask since glibc 2.42.
constexpr std::array<unsigned, 4> second_terminal_requests{0x802c542a, 0x402c542b, 0x402c542c,
                                                           0x402c542d};
constexpr std::array<unsigned, 30> device_requests{
    FIONBIO,       FIONREAD,    FIOCLEX,      FIONCLEX,    TCGETS,       TCSETS,
    TCSETSW,       TCSETSF,     TCGETA,       TCSBRK,      TCSBRKP,      TCXONC,
    TCFLSH,        TIOCEXCL,    TIOCNXCL,     TIOCOUTQ,    TIOCGWINSZ,   TIOCMGET,
    TIOCMSET,      TIOCMBIS,    TIOCMBIC,     TIOCGSERIAL, RNDGETENTCNT, RNDADDENTROPY,
    RNDRESEEDCRNG, SIOCGIFNAME, SIOCGIFINDEX, SIOCGIFCONF, SIOCGIFFLAGS, SIOCGIFADDR};
// Of cameras (VIDIOC_...), by the letter in the number's second byte; for libraries those of sound
// (cards, controls) and USB, and of sound's timers. Cameras' and timers' have a direction, where a
// console's of the same letter (VT_..., TIOC...) have none.
constexpr unsigned letter_mask = 0xff00;
constexpr unsigned camera_letter = 'V' << 8;
constexpr std::array<unsigned, 4> library_letters{'A' << 8, 'U' << 8, 'W' << 8, 'H' << 8};
constexpr unsigned direction_mask = 0xc0000000;
constexpr std::array<unsigned, 3> directions{0x40000000, 0x80000000, 0xc0000000};
constexpr unsigned timer_letter = 'T' << 8;
// The kernel looks at no more of a request, an option or a command.
constexpr scmp_datum_t low_half = 0xffffffff;
// Sockets, by family and protocol: over netlink names are looked up (NETLINK_ROUTE is 0), and a
// resume is told (machine/resume_watch.h).
constexpr std::array<std::pair<int, int>, 10> sockets{{{AF_UNIX, 0},
                                                       {AF_INET, 0},
                                                       {AF_INET, IPPROTO_TCP},
                                                       {AF_INET, IPPROTO_UDP},
                                                       {AF_INET6, 0},
                                                       {AF_INET6, IPPROTO_TCP},
                                                       {AF_INET6, IPPROTO_UDP},
                                                       {AF_NETLINK, NETLINK_ROUTE},
                                                       {AF_NETLINK, NETLINK_KOBJECT_UEVENT},
                                                       {AF_VSOCK, 0}}};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif
#else
constexpr bool sanitized = false;
#endif

using Filter = std::unique_ptr<void, decltype(&::seccomp_release)>;

void check(int result, const std::string& what) {
  if (result != 0) throw Failure(with_errno("seccomp: " + what, -result));
}

// A condition on one of a call's arguments.
scmp_arg_cmp when(unsigned argument, scmp_compare compare, scmp_datum_t a, scmp_datum_t b = 0) {
  return {argument, compare, a, b};
}

template <typename Add>
void for_each_call(std::string_view names, const Add& add) {
  constexpr std::string_view blanks = " \n";
  for (auto at = names.find_first_not_of(blanks); at != std::string_view::npos;
       at = names.find_first_not_of(blanks, at)) {
    const auto end = std::min(names.find_first_of(blanks, at), names.size());
    const std::string name(names.substr(at, end - at));
    const int number = ::seccomp_syscall_resolve_name(name.c_str());
    if (number != __NR_SCMP_ERROR) add(number, name);
    at = end;
  }
}

}  // namespace

bool restrict_calls(bool foreign_libraries, bool gives_groups) {
  if (sanitized || ::prctl(PR_GET_SECCOMP) < 0) return false;
  const Filter filter(::seccomp_init(SCMP_ACT_KILL_PROCESS), ::seccomp_release);
  // A container's own filter may keep it from us.
  if (!filter) return false;
  const auto add = [&](std::uint32_t action, int number, const std::string& name,
                       auto... arguments) {
    const int result =
        ::seccomp_rule_add(filter.get(), action, number, sizeof...(arguments), arguments...);
    // What libseccomp knows of other architectures alone.
    if (result != -EDOM) check(result, name);
  };
  const auto allow = [&](int number, const std::string& name) {
    add(SCMP_ACT_ALLOW, number, name);
  };
  for_each_call(allowed, allow);
  if (foreign_libraries) for_each_call(for_libraries, allow);
  for_each_call(absent, [&](int number, const std::string& name) {
    add(SCMP_ACT_ERRNO(ENOSYS), number, name);
  });
  for (int number = first_new_call; number <= last_new_call; ++number) {
    add(SCMP_ACT_ERRNO(ENOSYS), number, "a new call");
  }
  // A thread of ours, and no process.
  add(SCMP_ACT_ALLOW, SCMP_SYS(clone), "clone",
      when(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
  const auto allow_value = [&](std::string_view names, unsigned argument, std::uint64_t value,
                               std::uint64_t mask = low_half) {
    for_each_call(names, [&](int number, const std::string& name) {
      add(SCMP_ACT_ALLOW, number, name, when(argument, SCMP_CMP_MASKED_EQ, mask, value));
    });
  };
  for (const int command : descriptor_commands) {
    allow_value("fcntl fcntl64", 1, static_cast<unsigned>(command));
  }
  for (const int option : thread_options) allow_value("prctl", 0, static_cast<unsigned>(option));
  for (const unsigned request : device_requests) allow_value("ioctl", 1, request);
  for (const unsigned request : second_terminal_requests) allow_value("ioctl", 1, request);
  for (const unsigned direction : directions) {
    allow_value("ioctl", 1, direction | camera_letter, direction_mask | letter_mask);
    if (!foreign_libraries) continue;
    allow_value("ioctl", 1, direction | timer_letter, direction_mask | letter_mask);
  }
  if (foreign_libraries) {
    for (const unsigned letter : library_letters) allow_value("ioctl", 1, letter, letter_mask);
  }
  // No set-user-id program, no sticky directory.
  constexpr std::uint64_t special_modes = 07000;
  allow_value("fchmod", 1, 0, special_modes);
  if (gives_groups) for_each_call(groups_of_sockets, allow);
  for (const auto& [family, protocol] : sockets) {
    add(SCMP_ACT_ALLOW, SCMP_SYS(socket), "socket",
        when(0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(family)),
        when(2, SCMP_CMP_MASKED_EQ, low_half, static_cast<scmp_datum_t>(protocol)));
  }
  allow_value("socketpair", 0, AF_UNIX);
  // Signals to nobody else; limits of nobody else.
  const auto self = static_cast<scmp_datum_t>(::getpid());
  add(SCMP_ACT_ALLOW, SCMP_SYS(kill), "kill", when(0, SCMP_CMP_EQ, self));
  add(SCMP_ACT_ALLOW, SCMP_SYS(tgkill), "tgkill", when(0, SCMP_CMP_EQ, self));
  add(SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), "prlimit64", when(0, SCMP_CMP_EQ, 0));
  // Not SCMP_FLTATR_CTL_LOG: the kernel logs what it kills in any case (seccomp(2)), and with that
  // each call that does not exist, too: a line for every thread, for which the audit system makes
  // the whole machine wait.
  check(::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
        "calls of another architecture");
  const int loaded = ::seccomp_load(filter.get());
  if (loaded == -EPERM || loaded == -ENOSYS || loaded == -EACCES) return false;
  check(loaded, "loading the filter");
  return true;
}

}  // namespace qanat::machine
