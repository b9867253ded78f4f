// Listening sockets.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "wire/spec.h"

namespace qanat::net {

// Non-blocking, listening, with SO_REUSEPORT so that each thread has one of its own. Host "" or "*"
// is every address. Throws Failure: the address is not ours, the port is taken.
UniqueFd listen_tcp(const wire::Address& address);
// A non-blocking UDP socket, with SO_REUSEPORT. One that listens on every address tells to which
// each datagram came (IP_PKTINFO, IPV6_RECVPKTINFO). As listen_tcp otherwise.
UniqueFd listen_udp(const wire::Address& address);
// A UNIX socket of this mode; a stale file is replaced, a live one is a Failure. The directory is
// made (0755) when only it is missing: below /run there is none after a boot.
UniqueFd listen_unix(const std::string& path, unsigned mode);
// A vsock port, for the guests of this machine (vsock(7)). Throws Failure.
UniqueFd listen_vsock(std::uint32_t port);
// The group of a socket's file is this one from now on. Throws Failure: no such group, no right.
void give_to_group(const std::string& path, const std::string& group);

// The port that a socket was given when it asked for port 0.
std::uint16_t local_port(int fd);

// What to tell others to reach a socket that listens on every address: the address that this
// machine's default route uses, else its host name.
std::string reachable_host();

// Sockets that systemd passed us (sd_listen_fds(3)): taken once, by the outlet whose address a
// socket is bound to.
class PassedSockets {
 public:
  // Reads LISTEN_FDS once for the program.
  static PassedSockets& of_process();
  UniqueFd take_tcp(const wire::Address& address);
  UniqueFd take_unix(const std::string& path);

 private:
  PassedSockets();
  std::vector<UniqueFd> sockets_;
};

}  // namespace qanat::net
