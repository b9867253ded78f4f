// What a node is doing at one moment: everything that status, metrics and `top` show.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "entropy/drbg_pool.h"
#include "observe/reports.h"
#include "share/dispenser.h"

namespace qanat::observe {

struct NodeReport {
  std::string node_id;
  std::string version;
  std::string role;     // "hub" or "feed"
  std::string pin;      // of the server key, hex; empty for a feed
  std::string problem;  // of the node as a whole; empty while all is well
  double uptime = 0;    // seconds
  bool ready = false;
  std::uint64_t generation = 0;  // machine/generation.h; 0 where none is told
  share::DispenserReport dispenser;
  std::vector<SourceReport> sources;
  std::size_t inflows = 0;  // the last so many of the sources: what peers deliver to outlets
  std::vector<OutletReport> outlets;
  std::vector<ClientReport> clients;
  entropy::DrbgPool::Counts drbg;
  std::vector<Event> events;  // the last hundred, oldest first
  std::uint64_t events_total = 0;
};

// What of it is the viewer's business. The operator's is all. A client sees what it draws from (the
// sources, the reserve, the ledger) and itself alone: of clients, events, lines and promises. Who
// has no name sees no client.
NodeReport seen_by(NodeReport snapshot, const Viewer& viewer);

}  // namespace qanat::observe
