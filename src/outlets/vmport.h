// Seeds for a guest behind a virtio-serial port: QEMU connects to our UNIX socket. docs/protocols/vmport.md.
#pragma once

#include "outlets/stream_outlet.h"

namespace qanat::outlets {

// A new connection is a new QEMU process, and so perhaps a restored copy: it gets a fresh seed before it
// asks.
std::unique_ptr<Outlet> make_vmport(StreamSettings settings, const OutletServices& services);

}  // namespace qanat::outlets
