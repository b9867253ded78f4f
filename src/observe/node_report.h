// What a node is doing at one moment: everything that status, metrics and `top` show.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "entropy/drbg_pool.h"
#include "observe/reports.h"
#include "share/dispenser.h"

namespace qanat::observe {

// What came of what an [[alarm]] was to tell.
struct AlarmCounts {
  std::uint64_t sent = 0;
  std::uint64_t failed = 0;   // after the last try
  std::uint64_t dropped = 0;  // too many at once
};

// A thread that should turn again and again.
struct ThreadReport {
  std::string name;       // "io-0", "source jitter"
  TimePoint last_turn{};  // now, where it rests and somebody would wake it
  bool stuck = false;     // for longer than any of its work takes
};

// Bytes a second, over the last few.
struct Rates {
  double credited = 0;
  double delivered = 0;
  double discarded = 0;
  double reseed = 0;
  double drbg = 0;
};

// Who may see all, and draws nothing.
struct ObserverReport {
  std::string name;
  std::uint64_t connections = 0;
  std::int64_t last_seen = 0;  // seconds since 1970
};

// Where not all clients are wanted: those that fit into 1 MB of metrics, at 400 bytes each.
inline constexpr std::size_t most_busy_clients = 2000;

struct NodeReport {
  std::string node_id;
  std::string version;
  std::string role;          // "hub" or "feed"
  std::string pin;           // of the server key, hex; empty for a feed
  std::string problem;       // of the node as a whole; empty while all is well
  double uptime = 0;         // seconds
  TimePoint now{};           // when it was made; the same by the clock on the wall:
  std::int64_t time_ms = 0;  // since 1970
  // A moment that only the steady clock has seen, in seconds since 1970; 0 for none.
  double wall_time(TimePoint time) const {
    return time == TimePoint{} ? 0 : static_cast<double>(time_ms) / 1000 - seconds(now - time);
  }
  bool whole = true;  // nothing of it was left out for its viewer
  bool ready = false;
  std::uint64_t generation = 0;  // machine/generation.h; 0 where none is told
  share::DispenserReport dispenser;
  std::vector<SourceReport> sources;
  std::size_t inflows = 0;  // the last so many of the sources: what peers deliver to outlets
  std::vector<OutletReport> outlets;
  std::vector<ClientReport> clients;  // all, some of them, or none, as was asked for
  bool clients_shown = false;         // those that were asked for, though there be none
  std::size_t clients_total = 0;      // that there are
  std::vector<ObserverReport> observers;
  std::vector<ThreadReport> threads;
  Rates rates;
  entropy::DrbgPool::Counts drbg;
  std::vector<Event> events;  // the last hundred, oldest first
  std::uint64_t events_total = 0;
  std::map<EventKind, std::uint64_t> events_by_kind;
  std::map<std::string, AlarmCounts> alarms;  // by what is run or called
};

// What of it is the viewer's business. The operator's is all. A client sees what it draws from (the
// sources, the reserve, the ledger) and itself alone: of clients, events, lines and promises. Who
// has no name sees no client.
NodeReport seen_by(NodeReport snapshot, const Viewer& viewer);
bool may_see(const Event& event, const Viewer& viewer);

}  // namespace qanat::observe
