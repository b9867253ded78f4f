// What a node tells of itself: its part of node.h.
#include <fmt/core.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <functional>

#include "base/shown.h"
#include "base/version.h"
#include "node/node.h"
#include "observe/metrics.h"
#include "observe/status.h"

namespace qanat::node {
namespace {

observe::ClientReport report_of(const share::Client& client, TimePoint now) {
  const share::Flow::Report flow = client.flow.report();
  return {.name = client.name,
          .rate = flow.terms.rate,
          .burst = flow.terms.burst,
          .weight = flow.terms.weight,
          .suspended = flow.terms.rate > 0 && !flow.kept,
          .waiting_requests = flow.requests,
          .waiting_bytes = flow.bytes,
          .minute_bytes = client.recent_bytes.sum(now),
          .connections = client.connections,
          .full_bytes = client.full_bytes,
          .drbg_bytes = client.drbg_bytes,
          .requests = client.requests,
          .refused = client.refused,
          .last_seen = client.last_seen};
}

// Of very many, those that have drawn most lately, without a lock for each of the others.
std::vector<std::shared_ptr<share::Client>> busiest(
    std::vector<std::shared_ptr<share::Client>> clients, bool few, TimePoint now) {
  if (!few || clients.size() <= observe::most_busy_clients) return clients;
  std::vector<std::pair<std::uint64_t, std::size_t>> drawn;
  drawn.reserve(clients.size());
  for (std::size_t i = 0; i < clients.size(); ++i) {
    // Who waits is seen, too: it has a connection.
    drawn.emplace_back(2 * clients[i]->recent_bytes.sum(now) + clients[i]->connections.load(), i);
  }
  const auto end = drawn.begin() + static_cast<std::ptrdiff_t>(observe::most_busy_clients);
  std::nth_element(drawn.begin(), end, drawn.end(), std::greater());
  std::vector<std::shared_ptr<share::Client>> most;
  for (auto it = drawn.begin(); it != end; ++it) most.push_back(std::move(clients[it->second]));
  return most;
}

}  // namespace

std::string Node::hopeless() const {
  const auto running = running_.lists();
  std::string why;
  for (const NamedSource& named : running->sources) {
    const observe::SourceReport report = named.source->report();
    if (!report.hopeless) return "";
    why = report.detail;
  }
  return why;
}

bool Node::ready() const {
  if (!settings_.feed) return drbg_->pool().ready();
  const auto running = running_.lists();
  return std::any_of(running->outlets.begin(), running->outlets.end(), [](const auto& named) {
    const observe::OutletReport report = named.outlet->report();
    return report.deliveries > 0 && report.credited;
  });
}

std::string Node::why_not_fed() const {
  const auto running = running_.lists();
  for (const NamedOutlet& named : running->outlets) {
    const observe::OutletReport report = named.outlet->report();
    if (!report.problem.empty()) return shown(report.problem, 200);
    if (report.deliveries > 0 && !report.credited) return shown(report.detail, 200);
  }
  for (const NamedSource& named : running->sources) {
    const observe::SourceReport report = named.source->report();
    if (!report.detail.empty()) return shown(report.detail, 200);
  }
  return "this machine has not been fed yet";
}

std::string Node::shortage() const {
  using entropy::SourceState;
  if (settings_.feed) return why_not_fed();
  constexpr std::size_t most_named = 4;
  const auto running = running_.lists();
  std::string states;
  std::size_t named_so_far = 0;
  for (const NamedSource& named : running->sources) {
    const observe::SourceReport report = named.source->report();
    if (report.credit && report.state == SourceState::healthy) return "";
    if (++named_so_far > most_named) continue;
    const bool testing =
        report.state == SourceState::start_up || report.state == SourceState::suspect;
    std::string what = fmt::format("is {}", to_string(report.state));
    if (report.state == SourceState::failed) {
      what = "has failed";
    } else if (testing && report.credit) {
      what = "is in its start-up test";
    } else if (testing || report.state == SourceState::healthy) {
      what = "is credited 0";
    }
    states += fmt::format("{}{} {}", states.empty() ? "" : ", ", shown(report.name), what);
  }
  if (named_so_far > most_named) states += fmt::format(", and {} more", named_so_far - most_named);
  if (states.empty()) return "this node has no sources";
  return fmt::format("no source delivers yet: {}; 'qanat status' at the node tells more", states);
}

// A source's read ends after peer_patience, or it rests.
std::vector<observe::ThreadReport> Node::threads_report(
    const std::vector<observe::SourceReport>& sources) const {
  constexpr Duration source_patience = std::chrono::seconds(120);
  const TimePoint now = clock_.now();
  std::vector<observe::ThreadReport> threads;
  const auto add = [&](std::string name, TimePoint last_turn, Duration patience) {
    threads.push_back({std::move(name), last_turn, now - last_turn > patience});
  };
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    add(fmt::format("io-{}", i), threads_.last_turn(i), thread_patience);
  }
  add("pulse", pulse_.last_turn(), thread_patience);
  for (const observe::SourceReport& source : sources) {
    if (source.last_turn == TimePoint{}) continue;
    add("source " + source.name, source.last_turn, source_patience);
  }
  return threads;
}

observe::NodeReport Node::report_for(const observe::Viewer& viewer, Of clients) const {
  observe::NodeReport s;
  s.node_id = node_id_;
  s.version = version();
  s.role = settings_.feed ? "feed" : "hub";
  s.problem = watch_.problem();
  if (identity_) s.pin = to_hex(identity_->pin);
  s.uptime = seconds(clock_.now() - started_);
  s.drbg = drbg_->pool().counts();
  s.generation = generation_.value();
  {
    const auto running = running_.lists();
    for (const NamedSource& named : running->sources) s.sources.push_back(named.source->report());
    for (const NamedOutlet& named : running->outlets) {
      s.outlets.push_back(named.outlet->report());
      for (const observe::InflowReport& in : s.outlets.back().inflows) {
        s.sources.push_back(observe::report_of(in.name, in.claim, in.intake, in.account));
        ++s.inflows;
      }
    }
  }
  // After the sources: none of them has an account that the ledger does not know.
  s.dispenser = dispenser_.report();
  // Of other clients not even the figures are gathered, as that takes locks.
  const TimePoint now = clock_.now();
  s.now = now;
  s.time_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                  std::chrono::system_clock::now().time_since_epoch())
                  .count();
  s.clients_total = book_.size();
  s.clients_shown = viewer.client != nullptr || clients != Of::no_clients;
  if (viewer.client != nullptr && !viewer.all) s.clients.push_back(report_of(*viewer.client, now));
  if (viewer.all && clients != Of::no_clients) {
    for (const auto& client : busiest(book_.list(), clients == Of::busy_clients, now)) {
      if (client->observer) {
        s.observers.push_back({client->name, client->connections, client->last_seen});
      } else {
        s.clients.push_back(report_of(*client, now));
      }
    }
  }
  const bool fed = std::any_of(s.outlets.begin(), s.outlets.end(),
                               [](const auto& outlet) { return outlet.deliveries > 0; });
  s.ready = settings_.feed ? fed : drbg_->pool().ready();
  s.events = events_.recent();
  s.events_total = events_.total();
  s.events_by_kind = events_.counts();
  s.alarms = alarms_.counts();
  s.threads = threads_report(s.sources);
  recorder_.add_rates(s);
  return seen_by(std::move(s), viewer);
}

// The documents, as far as they are the viewer's business.
outlets::HttpServices Node::http_services() {
  const auto text = [](const boost::json::value& document) {
    return boost::json::serialize(document) + "\n";
  };
  return {.provenance = provenance_,
          .identity =
              [this] {
                return net::ServerTls{.key_pem = identity_->key_pem.view(),
                                      .certificate_pem = identity_->certificate_pem,
                                      .client_ca = {}};
              },
          .status =
              [this, text](const observe::Viewer& viewer) {
                return text(observe::status_document(report_for(viewer)));
              },
          .live =
              [this](const observe::Viewer& viewer) {
                return boost::json::serialize(
                    observe::live_document(report_for(viewer, Of::busy_clients)));
              },
          .status_text =
              [this](const observe::Viewer& viewer) {
                return observe::status_text(
                    observe::live_document(report_for(viewer, Of::busy_clients)));
              },
          .metrics =
              [this](const observe::Viewer& viewer, bool clients) {
                return observe::metrics_text(
                    report_for(viewer, clients ? Of::busy_clients : Of::no_clients));
              },
          .history =
              [this](const observe::Viewer& viewer, std::string_view span) {
                const auto tier = observe::Recorder::tier_of(span).value_or(0);
                const auto report = report_for(viewer, Of::no_clients);
                return recorder_.history(tier, report, report.now);
              },
          .events = events_,
          .live_status = live_,
          .loopback_sees_all = [this] { return loopback_sees_all_.load(); },
          .ready = [this] { return ready(); },
          .shortage = [this] { return shortage(); },
          .trickle_port = [this] { return trickle_port_.load(); }};
}

}  // namespace qanat::node
