// Blocking connections, with time limits.
#pragma once

#include <sys/socket.h>

#include <string>

#include "base/files.h"
#include "base/waker.h"
#include "spec/address.h"

namespace qanat::net {

// A non-blocking socket that is connected, with keep-alive probes. Tries all addresses that the
// name has, IPv6 and IPv4 in turn, the next one when the last has failed or has not answered within
// a quarter of a second (as RFC 8305 has it); `timeout` is for all of it. The error names each that
// was tried. An interrupted Error when the waker was woken.
Result<UniqueFd> connect_tcp(const spec::Address& address, const Waker& waker, Duration timeout);
// Whether the name has an address: for a library whose own look-up obeys no waker, and is short
// when this one has just found it.
Result<void> look_up(const spec::Address& address, const Waker& waker, Duration timeout);
Result<UniqueFd> connect_unix(const std::string& path);
// As connect_tcp, to a port of a hypervisor or a guest (vsock(7)).
Result<UniqueFd> connect_vsock(const spec::VsockAddress& address, const Waker& waker,
                               Duration timeout);
// The first address that the name has and that this machine has a route to: where IPv6 is switched
// off, one of IPv4.
Result<sockaddr_storage> resolve_udp(const spec::Address& address);
// A non-blocking UDP socket that hears this peer alone (IPv4 or IPv6), from a port of its own.
Result<UniqueFd> connect_udp(const sockaddr_storage& peer);

}  // namespace qanat::net
