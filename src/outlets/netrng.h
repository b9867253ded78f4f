// NetRNG's server. docs/protocols/netrng.md.
#pragma once

#include "serve/stream_outlet.h"

namespace qanat::outlets {

struct NetrngSettings {
  serve::StreamSettings stream;
  std::size_t sample_bytes = 2048;
  bool announce = false;  // by mDNS
};

std::unique_ptr<serve::Outlet> make_netrng(NetrngSettings settings,
                                           const serve::OutletServices& services);

}  // namespace qanat::outlets
