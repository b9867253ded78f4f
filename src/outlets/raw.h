// Bytes for whoever connects, with nc or socat: no protocol at all. docs/protocols/raw.md.
#pragma once

#include "serve/stream_outlet.h"

namespace qanat::outlets {

std::unique_ptr<serve::Outlet> make_raw(serve::StreamSettings settings,
                                        const serve::OutletServices& services);

}  // namespace qanat::outlets
