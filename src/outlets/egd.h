// EGD: what QEMU's rng-egd, old OpenSSL and Perl's clients draw from. docs/protocols/egd.md.
#pragma once

#include "serve/stream_outlet.h"

namespace qanat::outlets {

std::unique_ptr<serve::Outlet> make_egd(serve::StreamSettings settings,
                                        const serve::OutletServices& services);

}  // namespace qanat::outlets
