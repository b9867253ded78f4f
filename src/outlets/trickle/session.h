// How a trickle session begins: what answers POST /v1/session (docs/trickle.md, Keys).
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <string>

#include "outlets/trickle/cookie_keeper.h"
#include "share/client_book.h"

namespace qanat::outlets {

// The answer, as wire/trickle_session writes it, for a client whose name was shown over `tls`. Its
// keys come from that connection's exporter. Any thread.
std::string begin_trickle_session(CookieKeeper& keeper, std::uint16_t port,
                                  const share::Client& client, SSL* tls);

}  // namespace qanat::outlets
