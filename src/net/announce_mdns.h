// Tells the link by mDNS (RFC 6762, 6763) that a service is here, through the Avahi daemon.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_kind.h"

namespace qanat::net {

// It lasts as long as this object.
class Announcement {
 public:
  virtual ~Announcement() = default;
};

struct Service {
  std::string type;  // "_netrng._tcp"
  std::uint16_t port = 0;
  std::vector<std::string> text;  // "key=value", of the TXT record
};

// Under this machine's name, or another when that is taken on the link. While no daemon is there it
// waits for one; `on_event` says so (alarm), and what was announced. On a thread of its own, which
// calls on_event. Only where there is a library (mdns(), net/discover_mdns.h).
std::unique_ptr<Announcement> announce_mdns(
    Service service, std::function<void(const std::string& text, EventKind kind)> on_event);

}  // namespace qanat::net
