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

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "net/connect.h"

#ifdef QANAT_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

namespace qanat::net {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

AddressList resolve_local(const wire::Address& address, int type) {
  addrinfo hints{};
  hints.ai_socktype = type;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* raw = nullptr;
  const bool any = address.host.empty() || address.host == "*";
  // Every address is that of IPv6, which takes IPv4 too; where the kernel has no IPv6, IPv4's.
  if (any) hints.ai_family = UniqueFd(::socket(AF_INET6, type, 0)) ? AF_INET6 : AF_INET;
  const int problem = ::getaddrinfo(any ? nullptr : address.host.c_str(),
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

// Enough that a burst of a thousand clients in one moment is not refused by the kernel.
constexpr int backlog = 4096;

}  // namespace

UniqueFd listen_tcp(const wire::Address& address) {
  if (UniqueFd passed = PassedSockets::of_process().take_tcp(address)) return passed;
  const AddressList list = resolve_local(address, SOCK_STREAM);
  UniqueFd fd(::socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw Failure(with_errno("socket", errno));
  const int one = 1;
  const int off = 0;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one,
               sizeof one);  // accepted sockets inherit it
  if (list->ai_family == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (::bind(fd.get(), list->ai_addr, list->ai_addrlen) != 0 || ::listen(fd.get(), backlog) != 0) {
    throw Failure(with_errno("cannot listen on " + address.text(), errno));
  }
  return fd;
}

UniqueFd listen_udp(const wire::Address& address) {
  // A burst of some thousand requests, while the thread is at something else.
  constexpr int buffer_bytes = 4 << 20;
  const AddressList list = resolve_local(address, SOCK_DGRAM);
  UniqueFd fd(::socket(list->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw Failure(with_errno("socket", errno));
  const int one = 1;
  const int off = 0;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
  if (list->ai_family == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  // A socket with an address of its own answers from there anyway.
  if (is_every_address(list->ai_addr)) {
    if (list->ai_family == AF_INET6) {
      ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one);
    } else {
      ::setsockopt(fd.get(), IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
    }
  }
  if (::bind(fd.get(), list->ai_addr, list->ai_addrlen) != 0) {
    throw Failure(with_errno("cannot listen on UDP " + address.text(), errno));
  }
  return fd;
}

UniqueFd listen_unix(const std::string& path, unsigned mode) {
  if (UniqueFd passed = PassedSockets::of_process().take_unix(path)) return passed;
  if (connect_unix(path)) {
    throw Failure(fmt::format("{} is in use by another process", path));
  }
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) {
    throw Failure(fmt::format("the socket path {} is longer than {} characters; take a shorter one",
                              path, sizeof name.sun_path - 1));
  }
  path.copy(name.sun_path, path.size());
  make_directory_of(path);
  ::unlink(path.c_str());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // Nobody may connect before the mode is right: bind makes the file with the umask's leave.
  const mode_t before = ::umask(0777 & ~mode);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
  const int problem = errno;
  ::umask(before);
  if (bound != 0) throw Failure(with_errno("cannot listen on " + path, problem));
  if (::listen(fd.get(), backlog) != 0)
    throw Failure(with_errno("cannot listen on " + path, errno));
  return fd;
}

UniqueFd listen_vsock(std::uint32_t port) {
  UniqueFd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw Failure(with_errno("no vsock on this machine (modprobe vhost_vsock)", errno));
  sockaddr_vm name{};
  name.svm_family = AF_VSOCK;
  name.svm_cid = VMADDR_CID_ANY;
  name.svm_port = port;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      ::listen(fd.get(), backlog) != 0) {
    throw Failure(with_errno(fmt::format("cannot listen on vsock port {}", port), errno));
  }
  return fd;
}

void give_to_group(const std::string& path, const std::string& name) {
  std::array<char, 16384> buffer;
  group entry{};
  group* found = nullptr;
  if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    throw Failure(fmt::format("there is no group '{}'", name));
  }
  if (::chown(path.c_str(), static_cast<uid_t>(-1), found->gr_gid) != 0) {
    throw Failure(with_errno(fmt::format("cannot give {} to the group {}", path, name), errno));
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

UniqueFd PassedSockets::take_tcp(const wire::Address& address) {
  if (sockets_.empty()) return {};
  const AddressList list = resolve_local(address, SOCK_STREAM);
  for (UniqueFd& candidate : sockets_) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    if (!candidate ||
        ::getsockname(candidate.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
      continue;
    }
    for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
      if (size == at->ai_addrlen && std::memcmp(&name, at->ai_addr, size) == 0) {
        return std::move(candidate);
      }
    }
  }
  return {};
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

}  // namespace qanat::net
