// EGD: what QEMU's rng-egd, old OpenSSL and Perl's clients draw from. docs/protocols/egd.md.
#pragma once

#include "outlets/stream_outlet.h"

namespace qanat::outlets {

std::unique_ptr<Outlet> make_egd(StreamSettings settings, const OutletServices& services);

}  // namespace qanat::outlets
