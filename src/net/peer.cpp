#include "net/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace qanat::net {
namespace {

// Kinds of blocks, in the highest byte.
constexpr std::uint64_t kind_ipv4 = std::uint64_t{4} << 56;
constexpr std::uint64_t kind_ipv6 = std::uint64_t{6} << 56;
constexpr std::uint64_t kind_user = std::uint64_t{1} << 56;

Peer of_ipv4(std::uint32_t address) { return {kind_ipv4 | address >> 8, address >> 24 == 127}; }

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
  ucred user{};
  socklen_t size = sizeof user;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &size) != 0) return {kind_user, true};
  return {kind_user | user.uid, true};
}

}  // namespace qanat::net
