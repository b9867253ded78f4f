#include "net/listen.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <grp.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/log.h"
#include "base/powers.h"

#ifdef QANAT_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

namespace qanat::net {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

bool is_any(const spec::Address& address) { return address.host.empty() || address.host == "*"; }

AddressList resolve_local(const spec::Address& address, int type) {
  addrinfo hints{};
  hints.ai_socktype = type;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* raw = nullptr;
  // Every address is that of IPv6, which takes IPv4 too.
  if (is_any(address)) hints.ai_family = AF_INET6;
  const int problem = ::getaddrinfo(is_any(address) ? nullptr : address.host.c_str(),
                                    std::to_string(address.port).c_str(), &hints, &raw);
  if (problem != 0) {
    throw Failure(fmt::format("cannot listen on {}: {}", address.text(), ::gai_strerror(problem)));
  }
  return {raw, ::freeaddrinfo};
}

bool is_every_address(const sockaddr* address) {
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof in);
    return IN6_IS_ADDR_UNSPECIFIED(&in.sin6_addr);
  }
  sockaddr_in in{};
  std::memcpy(&in, address, sizeof in);
  return in.sin_addr.s_addr == htonl(INADDR_ANY);
}

sockaddr_un unix_name(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) {
    throw Failure(fmt::format("the socket path {} is longer than {} characters; take a shorter one",
                              path, sizeof name.sun_path - 1));
  }
  path.copy(name.sun_path, path.size());
  return name;
}

// Whether an earlier program left a socket there. Throws Failure where there is anything else.
bool is_dead_socket(const std::string& path, const sockaddr_un& name) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return false;
  if (!S_ISSOCK(info.st_mode)) {
    throw Failure(fmt::format("{} is there and is not a socket; take another path", path));
  }
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe) throw Failure(with_errno("socket", errno));
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 ||
      errno == EAGAIN || errno == EINPROGRESS) {
    throw Failure(fmt::format("{} is in use by another process", path));
  }
  // A socket of another type has an owner, too (EPROTOTYPE); without the right we do not know.
  if (errno != ECONNREFUSED) {
    throw Failure(with_errno(fmt::format("cannot tell whether {} is in use", path), errno));
  }
  return true;
}

// Enough that a burst of a thousand clients in one moment is not refused by the kernel.
constexpr int backlog = 4096;
// Of a UDP socket: a burst of some thousand requests, while the thread is at something else.
constexpr int buffer_bytes = 4 << 20;

struct Binding {
  sockaddr_storage name{};
  socklen_t size = 0;

  bool v6() const { return name.ss_family == AF_INET6; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
  void set_port(std::uint16_t port) {
    // At the same place in both (RFC 3493 asks for no less than the names; Linux has it so).
    reinterpret_cast<sockaddr_in*>(&name)->sin_port = htons(port);
  }
  bool operator==(const Binding& other) const {
    return size == other.size && std::memcmp(&name, &other.name, size) == 0;
  }
};

// Each once.
std::vector<Binding> bindings_of(const spec::Address& address, int type) {
  const AddressList list = resolve_local(address, type);
  std::vector<Binding> bindings;
  for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
    Binding binding;
    binding.size = at->ai_addrlen;
    std::memcpy(&binding.name, at->ai_addr, at->ai_addrlen);
    if (std::find(bindings.begin(), bindings.end(), binding) == bindings.end())
      bindings.push_back(binding);
  }
  return bindings;
}

Binding every_v4(std::uint16_t port) {
  Binding binding;
  auto* const name = reinterpret_cast<sockaddr_in*>(&binding.name);
  name->sin_family = AF_INET;
  name->sin_port = htons(port);
  binding.size = sizeof *name;
  return binding;
}

void prepare_tcp(int fd) {
  const int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // accepted sockets inherit it
}

void prepare_udp(int fd, const Binding& binding) {
  const int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
  // A socket with an address of its own answers from there anyway.
  if (!is_every_address(binding.get())) return;
  if (binding.v6()) {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one);
  } else {
    ::setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
  }
}

// 0 or an errno value. A port below 1024 takes a right that the monitor may have.
int bind_to(int fd, const sockaddr* name, socklen_t size) {
  if (::bind(fd, name, size) == 0) return 0;
  const int problem = errno;
  if (problem != EACCES || powers() == nullptr) return problem;
  return powers()->bind(fd, name, size);
}

// Bound, and listening where that is said of a type; or an errno value. Only one that `shares` may
// be bound where another of this process is, and then only if that one shares, too.
tl::expected<UniqueFd, int> open_at(const Binding& binding, int type, bool shares) {
  UniqueFd fd(::socket(binding.name.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return tl::unexpected(errno);
  const int one = 1;
  const int off = 0;
  if (type == SOCK_STREAM) {
    prepare_tcp(fd.get());
  } else {
    prepare_udp(fd.get(), binding);
  }
  if (binding.v6()) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (shares) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  if (const int problem = bind_to(fd.get(), binding.get(), binding.size); problem != 0)
    return tl::unexpected(problem);
  if (type == SOCK_STREAM && ::listen(fd.get(), backlog) != 0) return tl::unexpected(errno);
  return fd;
}

// The first socket of an address is bound alone: were it to share the port from the start, another
// node would have a part of our connections, silently. Once it has the address, our threads may.
Listeners listen_at(const spec::Address& address, int type, std::size_t threads) {
  const std::string where =
      (type == SOCK_STREAM ? "cannot listen on " : "cannot listen on UDP ") + address.text();
  std::vector<Binding> bindings = bindings_of(address, type);
  Listeners listeners(threads);
  int problem = 0;  // of an address that this machine has not
  const auto open_all = [&](Binding& binding, std::uint16_t port) {
    if (address.port == 0 && port != 0) binding.set_port(port);
    auto first = open_at(binding, type, false);
    if (!first) return first.error();
    binding.set_port(local_port(first->get()));
    const int one = 1;
    ::setsockopt(first->get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    listeners[0].push_back(std::move(*first));
    for (std::size_t i = 1; i < threads; ++i) {
      auto next = open_at(binding, type, true);
      if (!next) return next.error();
      listeners[i].push_back(std::move(*next));
    }
    return 0;
  };
  std::uint16_t port = 0;
  for (std::size_t i = 0; i < bindings.size(); ++i) {
    const int failed = open_all(bindings[i], port);
    if (failed == 0) {
      port = local_port(listeners[0].back().get());
      continue;
    }
    const bool no_v6 = bindings[i].v6() && (failed == EAFNOSUPPORT || failed == EADDRNOTAVAIL);
    if (!no_v6) throw Failure(with_errno(where, failed));
    problem = failed;
    if (is_every_address(bindings[i].get())) bindings.push_back(every_v4(address.port));
  }
  if (listeners[0].empty()) {
    throw Failure(with_errno(where + " (is IPv6 switched off here?)", problem));
  }
  if (problem != 0) {
    log_warning("{}: IPv6 is switched off here, or has not this address; listening on IPv4 alone",
                address.text());
  }
  return listeners;
}

}  // namespace

Listeners listen_tcp(const spec::Address& address, std::size_t threads) {
  std::vector<UniqueFd> passed = PassedSockets::of_process().take_tcp(address);
  if (passed.empty()) return listen_at(address, SOCK_STREAM, threads);
  // All threads accept from the same queue: it is the passer's to say whether a port is shared.
  Listeners listeners(threads);
  for (std::size_t i = 1; i < threads; ++i) {
    for (const UniqueFd& fd : passed) {
      listeners[i].emplace_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
      if (!listeners[i].back()) throw Failure(with_errno("cannot duplicate a socket", errno));
    }
  }
  listeners[0] = std::move(passed);
  return listeners;
}

Listeners listen_udp(const spec::Address& address, std::size_t threads) {
  return listen_at(address, SOCK_DGRAM, threads);
}

UniqueFd listen_tcp(const spec::Address& address) {
  return std::move(listen_tcp(address, 1).at(0).at(0));
}

UniqueFd listen_udp(const spec::Address& address) {
  return std::move(listen_udp(address, 1).at(0).at(0));
}

namespace {

// No descriptors from those who connect, who have no reason to pass any: a socket of theirs with
// SO_LINGER and bytes that nobody reads would be closed here, and an I/O thread would wait for it
// as long as they please. Older kernels do not know it.
void refuse_descriptors(int fd) {
#if defined(SO_PASSRIGHTS)
  constexpr int pass_rights = SO_PASSRIGHTS;
#elif defined(__sparc__) || defined(__hppa__)
  constexpr int pass_rights = -1;
#else
  constexpr int pass_rights = 83;  // asm-generic/socket.h of Linux 6.16
#endif
  constexpr int no = 0;
  (void)::setsockopt(fd, SOL_SOCKET, pass_rights, &no, sizeof no);
}

}  // namespace

UniqueFd listen_unix(const std::string& path, unsigned mode, std::optional<FileId>* made) {
  if (UniqueFd passed = PassedSockets::of_process().take_unix(path)) {
    refuse_descriptors(passed.get());
    return passed;
  }
  const sockaddr_un name = unix_name(path);
  make_directory_of(path);
  if (is_dead_socket(path, name)) ::unlink(path.c_str());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw Failure(with_errno("socket", errno));
  refuse_descriptors(fd.get());
  // Nobody may connect before the mode is right: bind makes the file with the umask's leave.
  const mode_t before = ::umask(0777 & ~mode);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
  const int problem = errno;
  ::umask(before);
  if (bound != 0) throw Failure(with_errno("cannot listen on " + path, problem));
  if (::listen(fd.get(), backlog) != 0)
    throw Failure(with_errno("cannot listen on " + path, errno));
  if (made != nullptr) *made = file_id(path);
  return fd;
}

void remove_unix(const std::string& path, const std::optional<FileId>& file) {
  if (file && file_id(path) == file) ::unlink(path.c_str());
}

UniqueFd listen_vsock(std::uint32_t port) {
  UniqueFd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw Failure(with_errno("no vsock on this machine (modprobe vhost_vsock)", errno));
  sockaddr_vm name{};
  name.svm_family = AF_VSOCK;
  name.svm_cid = VMADDR_CID_ANY;
  name.svm_port = port;
  int problem = bind_to(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
  if (problem == 0 && ::listen(fd.get(), backlog) != 0) problem = errno;
  if (problem != 0) {
    throw Failure(with_errno(fmt::format("cannot listen on vsock port {}", port), problem));
  }
  return fd;
}

namespace {

gid_t group_id(const std::string& name) {
  std::array<char, 16384> buffer;
  group entry{};
  group* found = nullptr;
  if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    throw Failure(fmt::format("there is no group '{}'", name));
  }
  return entry.gr_gid;
}

}  // namespace

void give_to_group(const std::string& path, const std::string& name) {
  if (::chown(path.c_str(), static_cast<uid_t>(-1), group_id(name)) != 0) {
    throw Failure(with_errno(fmt::format("cannot give {} to the group {}", path, name), errno));
  }
}

void try_tcp(const spec::Address& address) { (void)listen_at(address, SOCK_STREAM, 1); }
void try_udp(const spec::Address& address) { (void)listen_at(address, SOCK_DGRAM, 1); }
void try_vsock(std::uint32_t port) { (void)listen_vsock(port); }
void try_group(const std::string& group) { (void)group_id(group); }

void try_unix(const std::string& path) {
  (void)is_dead_socket(path, unix_name(path));
  if (const int problem = why_not_made(path); problem != 0) {
    throw Failure(with_errno("cannot listen on " + path, problem));
  }
}

std::uint16_t local_port(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&name)->sin6_port
                                          : reinterpret_cast<sockaddr_in*>(&name)->sin_port);
}

std::string reachable_host() {
  // Connecting a datagram socket sends nothing; it only chooses a route (192.0.2.0/24 is for
  // documentation, RFC 5737).
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in far{};
  far.sin_family = AF_INET;
  far.sin_port = htons(9);
  ::inet_pton(AF_INET, "192.0.2.1", &far.sin_addr);
  sockaddr_in own{};
  socklen_t size = sizeof own;
  std::array<char, 256> text{};
  if (fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&far), sizeof far) == 0 &&
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
      ::inet_ntop(AF_INET, &own.sin_addr, text.data(), text.size()) != nullptr) {
    return text.data();
  }
  ::gethostname(text.data(), text.size() - 1);
  return text.data();
}

PassedSockets& PassedSockets::of_process() {
  static PassedSockets sockets;
  return sockets;
}

PassedSockets::PassedSockets() {
#ifdef QANAT_SYSTEMD
  const int count = ::sd_listen_fds(1);
  for (int i = 0; i < count; ++i) {
    const int fd = SD_LISTEN_FDS_START + i;
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    sockets_.emplace_back(fd);
  }
#endif
}

std::vector<UniqueFd> PassedSockets::take_tcp(const spec::Address& address) {
  std::vector<UniqueFd> taken;
  if (sockets_.empty()) return taken;
  const std::vector<Binding> bindings = bindings_of(address, SOCK_STREAM);
  for (UniqueFd& candidate : sockets_) {
    Binding binding;
    binding.size = sizeof binding.name;
    if (!candidate || ::getsockname(candidate.get(), reinterpret_cast<sockaddr*>(&binding.name),
                                    &binding.size) != 0) {
      continue;
    }
    if (std::find(bindings.begin(), bindings.end(), binding) != bindings.end()) {
      taken.push_back(std::move(candidate));
    }
  }
  return taken;
}

UniqueFd PassedSockets::take_unix(const std::string& path) {
  for (UniqueFd& candidate : sockets_) {
    sockaddr_un name{};
    socklen_t size = sizeof name;
    if (candidate &&
        ::getsockname(candidate.get(), reinterpret_cast<sockaddr*>(&name), &size) == 0 &&
        name.sun_family == AF_UNIX && path == name.sun_path) {
      return std::move(candidate);
    }
  }
  return {};
}

std::vector<std::string> PassedSockets::left() const {
  std::vector<std::string> names;
  for (const UniqueFd& fd : sockets_) {
    Binding binding;
    binding.size = sizeof binding.name;
    if (!fd ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&binding.name), &binding.size) != 0) {
      continue;
    }
    if (binding.name.ss_family == AF_UNIX) {
      names.emplace_back(reinterpret_cast<const sockaddr_un*>(&binding.name)->sun_path);
      continue;
    }
    std::array<char, NI_MAXHOST> host{};
    const bool named = ::getnameinfo(binding.get(), binding.size, host.data(), host.size(), nullptr,
                                     0, NI_NUMERICHOST) == 0;
    names.push_back(fmt::format("{} port {}", named ? host.data() : "?", local_port(fd.get())));
  }
  return names;
}

}  // namespace qanat::net
