// What sources, outlets and clients say of themselves, for the status document, the metrics and the
// log. Those who fill these in stand below.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/event_kind.h"
#include "entropy/intake.h"
#include "observe/latency.h"

namespace qanat::share {
struct Client;
}

namespace qanat::observe {

// For the status document and the metrics.
struct SourceReport {
  std::string name;
  entropy::SourceState state = entropy::SourceState::start_up;
  std::string detail;     // why it is gone or failed; may be empty
  bool hopeless = false;  // no later try will do better: a wrong key, a revoked client
  double rate = 0;        // bytes per second while it is read
  double h = 0;           // claimed min-entropy, bits per byte
  bool credit = true;
  std::uint64_t bytes = 0;  // raw, read since start
  std::uint64_t alarms = 0;
  std::uint64_t failures = 0;
  entropy::BlockTests::Counts blocks;
  std::map<std::string, std::uint64_t> trickle = {};  // of an upstream: counters by name
  std::map<std::string, std::uint64_t> dropped = {};  // what came and was not used, by reason
  entropy::SourceId account = 0;
  bool upstream = false;                                    // another node, or a peer like one
  TimePoint last_window = {};                               // of samples judged; 0: none yet
  std::map<std::string, std::uint64_t> test_failures = {};  // health tests, by name
  std::optional<assess::RunningEstimate::Result> estimate = std::nullopt;
  TimePoint last_turn = {};                     // of its thread; 0: it has none
  double credited_rate = 0;                     // bytes of full entropy a second, lately
  std::map<std::string, double> readings = {};  // what the hardware tells, by names with units
};

// Of what is tested and credited by an intake.
SourceReport report_of(std::string name, const entropy::Claim& claim,
                       const entropy::IntakeReport& intake, entropy::SourceId account);

// What peers deliver to an outlet; for the status document it is a source.
struct InflowReport {
  std::string name;
  entropy::Claim claim;
  entropy::IntakeReport intake;
  entropy::SourceId account = 0;
};

// For the status document and the metrics.
struct OutletReport {
  std::string name;      // as configured
  std::string detail;    // "listening on 127.0.0.1:7748", "fed 4 times, last 12 s ago", ...
  std::string problem;   // empty while all is well
  bool credited = true;  // by whom it feeds; else what is delivered is mixed in and counts nothing
  bool listening = false;         // for peers, at what `detail` says
  std::uint64_t connections = 0;  // open now
  std::uint64_t deliveries = 0;   // requests answered with bytes, or times fed
  std::uint64_t full_bytes = 0;
  std::uint64_t drbg_bytes = 0;
  std::map<std::string, std::uint64_t> refused;  // by reason
  std::vector<InflowReport> inflows = {};
  std::int64_t certificate_until = 0;                // seconds since 1970; 0: it shows none
  std::map<std::string, std::uint64_t> groups = {};  // TLS handshakes, by key exchange
  std::uint64_t waiting = 0;                         // requests in line for grade full
  bool guests = false;                               // virtual machines are at the other end
  LatencyCounts latency = {};                        // from a request to its last byte
  struct Schedule {
    std::int64_t last = 0;   // seconds since 1970; 0: not yet
    std::int64_t next = 0;   // the same; 0: under way, or as fast as it goes
    std::int64_t every = 0;  // seconds from one to the next, about; 0: as fast as it goes
    // Of the last, by who was fed; nullopt where nobody counts them.
    std::optional<std::size_t> credited_bits = std::nullopt;
  };
  std::optional<Schedule> schedule = std::nullopt;  // of what feeds by time
  double full_rate = 0;                             // bytes a second, lately
  double drbg_rate = 0;
};

// Whose business an event is, beside the operator's.
struct Audience {
  bool everybody = false;   // of the sources, from which all draw
  std::string client = {};  // of this client alone
};

// Something that an operator should know of: an alarm, a recovery.
struct Event {
  std::string id;  // EventId::text
  std::uint64_t number = 0;
  std::int64_t time = 0;  // seconds since 1970
  std::string subject;
  std::string text;
  EventKind kind = EventKind::note;
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

// Who asks for a document of the node.
struct Viewer {
  bool all = false;                       // the operator, on this machine: sees everything
  const share::Client* client = nullptr;  // else: sees itself alone; null sees no client
};

// Something has happened: for the log, the status, the metrics and the alarms.
using OnEvent =
    std::function<void(const std::string& subject, const std::string& text, EventKind kind)>;

}  // namespace qanat::observe
