// Somebody else's code in the node's place: what it can do once the node has given up its powers.
//   intruder STATE WHAT      0: it was refused, and how is printed; 1: it was done; or dies of
//   SIGSYS
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/netlink.h>
#include <linux/random.h>
#include <linux/vt.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <string>

#include "base/message_socket.h"
#include "machine/daemon.h"
#include "machine/kernel_random.h"
#include "node/separation.h"

namespace qanat {
namespace {

// errno of what gives -1 where it is refused.
int refused(long result) { return result >= 0 ? 0 : errno; }

int open_at(const std::string& path, int flags) {
  const UniqueFd fd(::open(path.c_str(), flags, 0600));
  return refused(fd.get());
}

// By itself, and asked of the monitor.
int read_shadow() {
  const int problem = open_at("/etc/shadow", O_RDONLY);
  if (problem == 0) return 0;
  return powers()->open("/etc/shadow", O_RDONLY).has_value() ? 0 : problem;
}

// The socket to the monitor, among all that it has.
int monitor_socket() {
  for (int fd = 3; fd < 1024; ++fd) {
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
      return fd;
  }
  return -1;
}

// Whatever is sent, the monitor answers that it is none of its requests, and goes on.
int send_garbage() {
  const int socket = monitor_socket();
  std::array<std::uint8_t, 2 * sizeof(monitor::Request)> message{};
  for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<std::uint8_t>(i * 131);
  for (const std::size_t size :
       {std::size_t{1}, sizeof(monitor::Request) - 1, sizeof(monitor::Request),
        sizeof(monitor::Request) + 1, message.size()}) {
    if (!send_message(socket, Bytes(message).first(size), STDERR_FILENO)) return 0;
    monitor::Answer answer;
    UniqueFd nothing;
    const MutableBytes room(reinterpret_cast<std::uint8_t*>(&answer), sizeof answer);
    if (receive_message(socket, room, nothing) != sizeof answer || answer.problem != EBADMSG ||
        nothing)
      return 0;
  }
  // It lives, and does as before.
  const std::array<std::uint8_t, 32> bytes{};
  const int added = powers()->add_to_kernel(bytes, 0, {});
  return added == 0 || added == EPERM ? EBADMSG : 0;
}

// How much the kernel is credited before the monitor stops it; 0 where nothing does.
int flood_kernel() {
  std::array<std::uint8_t, machine::most_kernel_bytes> bytes{};
  std::uint64_t bits = 0;
  for (int i = 0; i < 4096; ++i) {
    const int problem = powers()->add_to_kernel(bytes, bytes.size(), {});
    if (problem != 0) {
      fmt::print("{} bits, then ", bits);
      return problem;
    }
    bits += 8 * bytes.size();
  }
  return 0;
}

int add_entropy() {
  struct {
    int bits = 64;
    int size = 8;
    std::array<char, 8> data{};
  } request;
  const UniqueFd device(::open("/dev/random", O_RDWR | O_CLOEXEC));
  return refused(::ioctl(device.get(), RNDADDENTROPY, &request));
}

int run(const std::string& state, const std::string& what) {
  machine::prepare_process();
  node::NodeSettings settings;
  settings.state_path = state;
  settings.config.sources = {"file:" + state + "/link", "exec:echo named"};
  node::Separation separation(settings, {});
  const pid_t other = separation.monitor().process();
  std::array<char, 16> room{};
  const iovec ours{room.data(), room.size()};
  const iovec theirs{room.data(), room.size()};
  char program[] = "/bin/true";
  std::array<char*, 2> arguments{program, nullptr};
  const std::map<std::string, std::function<int()>> attempts{
      {"shadow", read_shadow},
      {"write", [] { return open_at("/var/tmp/intruder", O_WRONLY | O_CREAT); }},
      {"memory", [&] { return open_at(fmt::format("/proc/{}/mem", other), O_RDWR); }},
      {"environment", [&] { return open_at(fmt::format("/proc/{}/environ", other), O_RDONLY); }},
      {"command", [] { return powers()->start("id", -1, {}) ? 0 : EACCES; }},
      {"link",
       [&] {
         // Where it may write, it puts a way to what it may not read.
         (void)!::symlink("/etc/shadow", (state + "/link").c_str());
         return powers()->open(state + "/link", O_RDONLY).has_value() ? 0 : EACCES;
       }},
      {"entropy", add_entropy},
      {"flood", flood_kernel},
      {"garbage", send_garbage},
      {"exec", [&] { return refused(::execve(program, arguments.data(), environ)); }},
      {"fork", [] { return refused(::fork()); }},
      {"ptrace", [&] { return refused(::ptrace(PTRACE_ATTACH, other, nullptr, nullptr)); }},
      {"poke", [&] { return refused(::process_vm_writev(other, &ours, 1, &theirs, 1, 0)); }},
      {"kill", [&] { return refused(::kill(other, SIGKILL)); }},
      {"mount", [] { return refused(::mount("none", "/mnt", "tmpfs", 0, nullptr)); }},
      {"module", [] { return refused(::syscall(SYS_init_module, "", 0, "")); }},
      {"unshare", [] { return refused(::syscall(SYS_unshare, 0x10000000)); }},
      {"become", [] { return refused(::setuid(0)); }},
      {"keys", [] { return refused(::syscall(SYS_keyctl, 0, 0)); }},
      {"type", [] { return refused(::ioctl(STDIN_FILENO, TIOCSTI, "x")); }},
      // What tomorrow's C library tries must not end a node that was built today.
      {"future", [] { return refused(::syscall(479)); }},
      {"type64", [] { return refused(::syscall(SYS_ioctl, 0, 0x100000000UL | TIOCSTI, "x")); }},
      {"own",
       [&] {
         // A signal by way of a descriptor.
         std::array<int, 2> ends{};
         ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data());
         return refused(::fcntl(ends[0], F_SETOWN, other));
       }},
      {"mode", [&] { return refused(::chmod(state.c_str(), 0777)); }},
      {"setuid",
       [&] { return refused(::fchmod(UniqueFd(::open(state.c_str(), O_RDONLY)).get(), 04755)); }},
      {"cut", [] { return refused(::truncate("/etc/shadow", 0)); }},
      {"dump", [] { return refused(::prctl(PR_SET_DUMPABLE, 1)); }},
      {"x32", [] { return refused(::syscall(0x40000000 | SYS_getpid)); }},
      {"packets", [] { return refused(::socket(AF_PACKET, SOCK_RAW, 0)); }},
      // Families that the kernel would load a module for.
      {"pairs",
       [] {
         std::array<int, 2> ends{};
         return refused(::socketpair(AF_PACKET, SOCK_RAW, 0, ends.data()));
       }},
      {"rules", [] { return refused(::socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER)); }},
      {"lite", [] { return refused(::socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE)); }},
      {"console", [] { return refused(::ioctl(STDIN_FILENO, VT_ACTIVATE, 1)); }},
      // What isatty asks since glibc 2.42 (TCGETS2) must not.
      {"terminal",
       [] {
         std::array<char, 64> line{};
         return refused(::ioctl(monitor_socket(), 0x802c542aUL, line.data()));
       }},
  };
  const int problem = attempts.at(what)();
  fmt::print("{}\n", problem == 0 ? "done" : ::strerrorname_np(problem));
  return problem == 0 ? 1 : 0;
}

}  // namespace
}  // namespace qanat

int main(int, char** argv) {
  try {
    return qanat::run(argv[1], argv[2]);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "{}\n", problem.what());
    return 2;
  }
}
