// Who is at the other end of a socket, as far as an address tells.
#pragma once

#include <sys/socket.h>

#include <cstdint>

namespace qanat::net {

struct Peer {
  // Peers that count as one where nobody has a name: an IPv4 /24, an IPv6 /56 (what one household
  // or one customer has; the blocks of DNS response rate limiting), a user of this machine.
  std::uint64_t block = 0;
  bool local = false;  // on this machine: loopback or a UNIX socket
};

// `fd` is asked for the user behind a UNIX socket. Unknown families are one block.
Peer peer_of(const sockaddr_storage& address, int fd);

}  // namespace qanat::net
