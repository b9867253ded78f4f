// Seeds for guests: behind a UNIX socket, to which a hypervisor connects a guest's virtio-serial
// port or its vsock device, or at a vsock port of our own. docs/protocols/vmport.md.
#pragma once

#include "serve/stream_outlet.h"

namespace qanat::outlets {

// A new connection is a new hypervisor's, or a guest whose old one was reset: either may be a copy
// of another. It gets a fresh seed before it asks. Each process, or each CID, has a share of its
// own.
std::unique_ptr<serve::Outlet> make_vmport(serve::StreamSettings settings,
                                           const serve::OutletServices& services);

}  // namespace qanat::outlets
