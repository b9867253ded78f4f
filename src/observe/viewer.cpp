// Who sees what of a node.
#include <algorithm>

#include "observe/node_report.h"
#include "share/client_book.h"

namespace qanat::observe {

bool may_see(const Event& event, const Viewer& viewer) {
  if (viewer.all || event.audience.everybody) return true;
  return viewer.client != nullptr && !viewer.client->name.empty() &&
         event.audience.client == viewer.client->name;
}

NodeReport seen_by(NodeReport s, const observe::Viewer& viewer) {
  if (viewer.all) return s;
  const std::string name = viewer.client != nullptr ? viewer.client->name : std::string();
  std::erase_if(s.clients, [&](const auto& client) { return name.empty() || client.name != name; });
  std::erase_if(s.events, [&](const Event& event) { return !may_see(event, viewer); });
  s.whole = false;
  s.events_total = 0;  // they would tell of the others
  s.events_by_kind.clear();
  s.alarms.clear();
  s.observers.clear();
  s.threads.clear();  // they are named after what the node has
  s.rates.drbg = 0;
  // Their counters are of all who draw there, and their names are other machines'.
  s.outlets.clear();
  // A producer's account has its user's name.
  s.sources.resize(s.sources.size() - s.inflows);
  s.inflows = 0;
  for (entropy::SourceId id = 0; id < s.dispenser.sources.size(); ++id) {
    const bool shown = std::any_of(s.sources.begin(), s.sources.end(),
                                   [&](const auto& source) { return source.account == id; });
    if (!shown) s.dispenser.sources[id].first.clear();
  }
  s.clients_total = s.clients.size();
  const ClientReport own = s.clients.empty() ? ClientReport() : s.clients.front();
  s.dispenser.waiting_requests = own.waiting_requests;
  s.dispenser.waiting_bytes = own.waiting_bytes;
  s.dispenser.promised = static_cast<double>(own.rate);
  s.dispenser.suspended = own.suspended ? static_cast<double>(own.rate) : 0;
  s.drbg.bytes = own.drbg_bytes;
  return s;
}

}  // namespace qanat::observe
