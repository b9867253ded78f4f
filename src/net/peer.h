// Who is at the other end of a socket, as far as an address tells.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace qanat::net {

struct Peer {
  // Peers that count as one where nobody has a name: an IPv4 /24, an IPv6 /56 (what one household
  // or one customer has; the blocks of DNS response rate limiting), all of IPv4's loopback, a user
  // of this machine, a guest (by its vsock CID).
  std::uint64_t block = 0;
  bool local = false;  // on this machine: loopback or a UNIX socket
};

// `fd` is asked for the user behind a UNIX socket. Unknown families are one block.
Peer peer_of(const sockaddr_storage& address, int fd);
// The same, but each process behind a UNIX socket is a block of its own: a hypervisor has one for
// each of its guests, and all of them are one user.
Peer peer_process_of(const sockaddr_storage& address, int fd);

// "process 4711", "user 1000", "CID 5", "an address": for the log.
std::string describe(const Peer& peer);

}  // namespace qanat::net
