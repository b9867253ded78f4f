#include "net/peer.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>

#include <cstring>

namespace qanat::net {
namespace {

// Kinds of blocks, in the highest byte.
constexpr std::uint64_t kind_ipv4 = std::uint64_t{4} << 56;
constexpr std::uint64_t kind_ipv6 = std::uint64_t{6} << 56;
constexpr std::uint64_t kind_user = std::uint64_t{1} << 56;
constexpr std::uint64_t kind_process = std::uint64_t{2} << 56;
constexpr std::uint64_t kind_guest = std::uint64_t{3} << 56;
constexpr std::uint64_t kind_mask = std::uint64_t{0xff} << 56;

// All of 127.0.0.0/8 belongs to this machine, and each of its users may come from any of it.
Peer of_ipv4(std::uint32_t address) {
  const bool local = address >> 24 == 127;
  return {kind_ipv4 | (local ? 0x7f0000U : address >> 8), local};
}

}  // namespace

Peer peer_of(const sockaddr_storage& address, int fd) {
  if (address.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    return of_ipv4(ntohl(in.sin_addr.s_addr));
  }
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    const std::uint8_t* const bytes = in.sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
      std::uint32_t inner = 0;
      std::memcpy(&inner, bytes + 12, sizeof inner);
      return of_ipv4(ntohl(inner));
    }
    std::uint64_t block = 0;
    for (int i = 0; i < 7; ++i) block = block << 8 | bytes[i];
    return {kind_ipv6 | block, IN6_IS_ADDR_LOOPBACK(&in.sin6_addr) != 0};
  }
  if (address.ss_family == AF_VSOCK) {
    sockaddr_vm in{};
    std::memcpy(&in, &address, sizeof in);
    return {kind_guest | in.svm_cid, false};
  }
  ucred user{};
  socklen_t size = sizeof user;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &size) != 0) return {kind_user, true};
  return {kind_user | user.uid, true};
}

Peer peer_process_of(const sockaddr_storage& address, int fd) {
  ucred user{};
  socklen_t size = sizeof user;
  if (address.ss_family != AF_UNIX ||
      ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &size) != 0) {
    return peer_of(address, fd);
  }
  return {kind_process | static_cast<std::uint32_t>(user.pid), true};
}

std::string describe(const Peer& peer) {
  const std::uint64_t value = peer.block & ~kind_mask;
  switch (peer.block & kind_mask) {
    case kind_user:
      return fmt::format("user {}", value);
    case kind_process:
      return fmt::format("process {}", value);
    case kind_guest:
      return fmt::format("CID {}", value);
    default:
      return "an address";
  }
}

}  // namespace qanat::net
