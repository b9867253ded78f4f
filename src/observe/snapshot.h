// What a node is doing at one moment: everything that status, metrics and `top` show.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "entropy/drbg_pool.h"
#include "outlets/outlet.h"
#include "share/dispenser.h"
#include "sources/running_source.h"

namespace qanat::observe {

// Whose business an event is, beside the operator's.
struct Audience {
  bool everybody = false;   // of the sources, from which all draw
  std::string client = {};  // of this client alone
};

// Something that an operator should know of: an alarm, a recovery.
struct Event {
  std::int64_t time = 0;  // seconds since 1970
  std::string subject;
  std::string text;
  bool alarm = false;
  Audience audience = {};
};

struct ClientReport {
  std::string name;
  std::uint64_t rate = 0;
  std::uint64_t burst = 0;
  double weight = 1;
  bool suspended = false;  // there is a guarantee, and the supply does not allow it now
  std::uint64_t waiting_requests = 0;
  std::uint64_t waiting_bytes = 0;
  std::uint64_t minute_bytes = 0;  // of both grades, in the last minute
  std::uint64_t connections = 0;
  std::uint64_t full_bytes = 0;
  std::uint64_t drbg_bytes = 0;
  std::uint64_t requests = 0;
  std::uint64_t refused = 0;
  std::int64_t last_seen = 0;
};

struct Snapshot {
  std::string node_id;
  std::string version;
  std::string role;     // "hub" or "feed"
  std::string pin;      // of the server key, hex; empty for a feed
  std::string problem;  // of the node as a whole; empty when there is none
  double uptime = 0;    // seconds
  bool ready = false;
  std::uint64_t generation = 0;  // node/generation.h; 0 where none is told
  share::DispenserReport dispenser;
  std::vector<sources::SourceReport> sources;
  std::size_t inflows = 0;  // the last so many of the sources: what peers deliver to outlets
  std::vector<outlets::OutletReport> outlets;
  std::vector<ClientReport> clients;
  entropy::DrbgPool::Counts drbg;
  std::vector<Event> events;  // the last hundred, oldest first
  std::uint64_t events_total = 0;
};

// What of it is the viewer's business. The operator's is all. A client sees what it draws from (the
// sources, the reserve, the ledger) and itself alone: of clients, events, lines and promises. Who
// has no name sees no client.
Snapshot seen_by(Snapshot snapshot, const outlets::Viewer& viewer);

}  // namespace qanat::observe
