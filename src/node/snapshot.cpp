// What a node tells of itself: its part of node.h.
#include <algorithm>
#include <boost/json.hpp>

#include "base/version.h"
#include "node/node.h"
#include "observe/status.h"

namespace qanat::node {

std::string Node::hopeless() const {
  const std::scoped_lock guard(lists_mutex_);
  std::string why;
  for (const NamedSource& named : sources_) {
    const sources::SourceReport report = named.source->report();
    if (!report.hopeless) return "";
    why = report.detail;
  }
  return why;
}

observe::Snapshot Node::snapshot() const {
  observe::Snapshot s;
  s.node_id = node_id_;
  s.version = version();
  s.role = settings_.feed ? "feed" : "hub";
  if (identity_) s.pin = to_hex(identity_->pin);
  s.uptime = seconds(clock_.now() - started_);
  s.drbg = drbg_->pool().counts();
  s.generation = generation_.value();
  {
    const std::scoped_lock guard(lists_mutex_);
    for (const NamedSource& named : sources_) s.sources.push_back(named.source->report());
    for (const NamedOutlet& named : outlets_) {
      s.outlets.push_back(named.outlet->report());
      for (const outlets::InflowReport& in : s.outlets.back().inflows) {
        s.sources.push_back(sources::report_of(in.name, in.claim, in.intake, in.account));
      }
    }
  }
  // After the sources: none of them has an account that the ledger does not know.
  s.dispenser = dispenser_.report();
  for (const auto& client : book_.list()) {
    const share::Flow::Report flow = client->flow.report();
    s.clients.push_back({.name = client->name,
                         .rate = flow.terms.rate,
                         .burst = flow.terms.burst,
                         .weight = flow.terms.weight,
                         .suspended = flow.terms.rate > 0 && !flow.kept,
                         .waiting_requests = flow.requests,
                         .waiting_bytes = flow.bytes,
                         .minute_bytes = client->recent_bytes.sum(clock_.now()),
                         .connections = client->connections,
                         .full_bytes = client->full_bytes,
                         .drbg_bytes = client->drbg_bytes,
                         .requests = client->requests,
                         .refused = client->refused,
                         .last_seen = client->last_seen});
  }
  const bool fed = std::any_of(s.outlets.begin(), s.outlets.end(),
                               [](const auto& outlet) { return outlet.deliveries > 0; });
  s.ready = settings_.feed ? fed : drbg_->pool().ready();
  s.events = events_.recent();
  s.events_total = events_.total();
  return s;
}

std::string Node::status_for(const share::Client* viewer) const {
  observe::Snapshot s = snapshot();
  // A client sees what it draws from, and nothing of the others.
  if (viewer != nullptr) {
    std::erase_if(s.clients, [&](const auto& client) { return client.name != viewer->name; });
  }
  return boost::json::serialize(observe::status_document(s)) + "\n";
}

}  // namespace qanat::node
