// Bytes for whoever connects, with nc or socat: no protocol at all. docs/protocols/raw.md.
#pragma once

#include "outlets/stream_outlet.h"

namespace qanat::outlets {

std::unique_ptr<Outlet> make_raw(StreamSettings settings, const OutletServices& services);

}  // namespace qanat::outlets
