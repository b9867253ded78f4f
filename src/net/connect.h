// Blocking connections, with time limits.
#pragma once

#include <sys/socket.h>

#include <string>

#include "base/files.h"
#include "base/waker.h"
#include "wire/spec.h"

namespace qanat::net {

// A non-blocking socket that is connected, with keep-alive probes. Tries each address that the name
// has, in order; the error names the last. An Error with an empty message: the waker was woken.
Result<UniqueFd> connect_tcp(const wire::Address& address, const Waker& waker, Duration timeout);
Result<UniqueFd> connect_unix(const std::string& path);
// As connect_tcp, to a port of a hypervisor or a guest (vsock(7)).
Result<UniqueFd> connect_vsock(const wire::VsockAddress& address, const Waker& waker,
                               Duration timeout);
// The first address that the name has.
Result<sockaddr_storage> resolve_udp(const wire::Address& address);
// A non-blocking UDP socket that hears this peer alone (IPv4 or IPv6), from a port of its own.
Result<UniqueFd> connect_udp(const sockaddr_storage& peer);

}  // namespace qanat::net
