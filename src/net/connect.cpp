#include "net/connect.h"

#include <fmt/core.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace qanat::net {
namespace {

// 0, an errno value, or -1 when woken.
int finish_connect(int fd, const Waker& waker, Duration timeout) {
  switch (wait_for(fd, POLLOUT, waker, timeout)) {
    case Wake::woken:
      return -1;
    case Wake::timeout:
      return ETIMEDOUT;
    case Wake::ready:
      break;
  }
  int problem = 0;
  socklen_t size = sizeof problem;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
  return problem;
}

// A peer whose machine has gone without a word is noticed within a minute and a half, whether we
// listen (probes) or have sent something.
void notice_lost_peer(int fd) {
  const int one = 1;
  const int idle_seconds = 30;
  const int probe_seconds = 15;
  const int probes = 4;
  const unsigned unanswered_ms = 60'000;
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe_seconds, sizeof probe_seconds);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof unanswered_ms);
}

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<AddressList> resolve(const wire::Address& address, int type) {
  addrinfo hints{};
  hints.ai_socktype = type;
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* raw = nullptr;
  const int problem =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &raw);
  if (problem != 0) {
    return error(fmt::format("cannot find {}: {}", address.host, ::gai_strerror(problem)));
  }
  return AddressList(raw, ::freeaddrinfo);
}

}  // namespace

Result<UniqueFd> connect_tcp(const wire::Address& address, const Waker& waker, Duration timeout) {
  const auto list = resolve(address, SOCK_STREAM);
  if (!list) return tl::unexpected(list.error());
  int problem = EADDRNOTAVAIL;
  for (const addrinfo* at = list->get(); at != nullptr; at = at->ai_next) {
    UniqueFd fd(::socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) {
      problem = errno;
      continue;
    }
    const int one = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    notice_lost_peer(fd.get());
    problem = ::connect(fd.get(), at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
    if (problem == EINPROGRESS) problem = finish_connect(fd.get(), waker, timeout);
    if (problem == 0) return fd;
    if (problem < 0) return error("");
  }
  return error(with_errno("cannot reach " + address.text(), problem));
}

Result<UniqueFd> connect_unix(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) {
    return error(fmt::format("the socket path {} is longer than {} characters", path,
                             sizeof name.sun_path - 1));
  }
  path.copy(name.sun_path, path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return error(with_errno("socket", errno));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return error(with_errno("cannot reach " + path, errno));
  }
  return fd;
}

Result<UniqueFd> connect_vsock(const wire::VsockAddress& address, const Waker& waker,
                               Duration timeout) {
  UniqueFd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return error(with_errno("no vsock on this machine", errno));
  sockaddr_vm name{};
  name.svm_family = AF_VSOCK;
  name.svm_cid = address.cid;
  name.svm_port = address.port;
  int problem =
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 ? 0 : errno;
  if (problem == EINPROGRESS) problem = finish_connect(fd.get(), waker, timeout);
  if (problem < 0) return error("");
  if (problem != 0) return error(with_errno("cannot reach " + address.text(), problem));
  return fd;
}

Result<sockaddr_storage> resolve_udp(const wire::Address& address) {
  const auto list = resolve(address, SOCK_DGRAM);
  if (!list) return tl::unexpected(list.error());
  sockaddr_storage found{};
  std::memcpy(&found, (*list)->ai_addr, (*list)->ai_addrlen);
  return found;
}

Result<UniqueFd> connect_udp(const sockaddr_storage& peer) {
  UniqueFd fd(::socket(peer.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return error(with_errno("socket", errno));
  const socklen_t size = peer.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&peer), size) != 0) {
    return error(with_errno("cannot send datagrams there", errno));
  }
  return fd;
}

}  // namespace qanat::net
