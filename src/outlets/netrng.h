// NetRNG's server. docs/protocols/netrng.md.
#pragma once

#include "outlets/stream_outlet.h"

namespace qanat::outlets {

struct NetrngSettings {
  StreamSettings stream;
  std::size_t sample_bytes = 2048;
  bool announce = false;  // by mDNS
};

std::unique_ptr<Outlet> make_netrng(NetrngSettings settings, const OutletServices& services);

}  // namespace qanat::outlets
