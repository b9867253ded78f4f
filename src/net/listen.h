// Listening sockets.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_id.h"
#include "base/files.h"
#include "spec/address.h"

namespace qanat::net {

// The sockets of each of some threads: one for each address that a name has.
using Listeners = std::vector<std::vector<UniqueFd>>;

// Non-blocking and listening. The kernel shares new connections out among the threads
// (SO_REUSEPORT), and lets nobody else, not even another node of the same user, have a part: an
// address that is in use is a Failure. Host "" or "*" is every address, IPv6 and IPv4; where this
// machine has no IPv6, that is said in the log, and IPv4 has to do. Port 0: one for all. Throws
// Failure: the address is not ours, the port is taken.
Listeners listen_tcp(const spec::Address& address, std::size_t threads);
// Non-blocking UDP sockets. One that listens on every address tells to which each datagram came
// (IP_PKTINFO, IPV6_RECVPKTINFO). As listen_tcp otherwise.
Listeners listen_udp(const spec::Address& address, std::size_t threads);
// One, of the first address.
UniqueFd listen_tcp(const spec::Address& address);
UniqueFd listen_udp(const spec::Address& address);

// A UNIX socket of this mode; a dead socket is replaced. A live one, and a file of any other kind,
// is a Failure. The directory is made (0755) when only it is missing: below /run there is none
// after a boot. `made`: its file, unless systemd passed the socket, whose file stays when we end.
UniqueFd listen_unix(const std::string& path, unsigned mode, std::optional<FileId>* made = nullptr);
// Deletes the socket's file, if it is still the one that we made.
void remove_unix(const std::string& path, const std::optional<FileId>& file);
// A vsock port, for the guests of this machine (vsock(7)). Throws Failure.
UniqueFd listen_vsock(std::uint32_t port);
// The group of a socket's file is this one from now on. Throws Failure: no such group, no right.
void give_to_group(const std::string& path, const std::string& group);

// What the functions above would say of an address, a path, a port or a group: they throw the same
// Failure. Nothing listens after, and nothing is made or deleted.
void try_tcp(const spec::Address& address);
void try_udp(const spec::Address& address);
void try_unix(const std::string& path);
void try_vsock(std::uint32_t port);
void try_group(const std::string& group);

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
  // Those that are bound to one of its addresses.
  std::vector<UniqueFd> take_tcp(const spec::Address& address);
  UniqueFd take_unix(const std::string& path);
  // Of those that nobody took, to where each is bound: whoever connects there waits in vain.
  std::vector<std::string> left() const;

 private:
  PassedSockets();
  std::vector<UniqueFd> sockets_;
};

}  // namespace qanat::net
