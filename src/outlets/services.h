// What outlets are given to work with: all of them the same, and some what only they need.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "entropy/provenance.h"
#include "net/tls.h"
#include "observe/events.h"
#include "observe/live.h"
#include "observe/reports.h"
#include "serve/outlet.h"

namespace qanat::outlets {

class CookieKeeper;

// What HTTP says of the node. Its functions are called on I/O threads.
struct HttpServices {
  const entropy::Provenance& provenance;
  std::function<net::ServerTls()> identity;  // the node's own key and certificate
  // The documents, as far as they are the viewer's business.
  std::function<std::string(const observe::Viewer&)> status;
  std::function<std::string(const observe::Viewer&)> live;         // one line
  std::function<std::string(const observe::Viewer&)> status_text;  // for people
  std::function<std::string(const observe::Viewer&, bool clients)> metrics;
  std::function<std::string(const observe::Viewer&, std::string_view span)> history;
  const observe::Events& events;
  observe::LiveStatus& live_status;
  // Whether a peer on this machine without a name is the operator.
  std::function<bool()> loopback_sees_all;
  // Whether everything that drbg and full need is there, for /readyz.
  std::function<bool()> ready;
  // Why there are no bytes, for whoever is refused some: what is true of the sources. Empty when
  // one delivers.
  std::function<std::string()> shortage;
  // The port of the trickle outlet; 0 when there is none.
  std::function<std::uint16_t()> trickle_port;
};

// All outlive the outlets.
struct Services {
  serve::OutletServices common;
  HttpServices http;
  CookieKeeper& cookies;  // trickle's; HTTP begins its sessions
};

}  // namespace qanat::outlets
