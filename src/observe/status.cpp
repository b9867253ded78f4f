#include "observe/status.h"

#include <boost/json.hpp>

namespace qanat::observe {

namespace json = boost::json;

namespace {

json::object account(const entropy::Account& a) {
  return {{"credited", a.credited},
          {"delivered", a.delivered},
          {"discarded", a.discarded},
          {"reseed", a.reseed},
          {"reserve", a.reserve}};
}

json::object source(const observe::SourceReport& s, const NodeReport& snapshot) {
  json::object dropped;
  for (const auto& [reason, count] : s.dropped) dropped[reason] = count;
  json::object trickle;
  for (const auto& [what, count] : s.trickle) trickle[what] = count;
  return {{"name", s.name},
          {"state", to_string(s.state)},
          {"detail", s.detail},
          {"rate", s.rate},
          {"h", s.h},
          {"credit", s.credit},
          {"bytes", s.bytes},
          {"alarms", s.alarms},
          {"failures", s.failures},
          {"blocks", s.blocks.blocks},
          {"fips_failed", s.blocks.fips_failed},
          {"weak", s.blocks.weak},
          {"trickle", std::move(trickle)},
          {"dropped", std::move(dropped)},
          {"ledger", account(snapshot.dispenser.sources.at(s.account).second)}};
}

json::object outlet(const observe::OutletReport& o) {
  json::object refused;
  for (const auto& [reason, count] : o.refused) refused[reason] = count;
  json::object document{{"name", o.name},
                        {"detail", o.detail},
                        {"problem", o.problem},
                        {"connections", o.connections},
                        {"deliveries", o.deliveries},
                        {"full_bytes", o.full_bytes},
                        {"drbg_bytes", o.drbg_bytes},
                        {"refused", std::move(refused)}};
  if (o.certificate_until == 0) return document;
  json::object groups;
  for (const auto& [group, count] : o.groups) groups[group] = count;
  document["tls"] = {{"certificate_until", o.certificate_until}, {"groups", std::move(groups)}};
  return document;
}

json::object client(const ClientReport& c) {
  return {{"name", c.name},
          {"rate", c.rate},
          {"burst", c.burst},
          {"weight", c.weight},
          {"suspended", c.suspended},
          {"waiting_requests", c.waiting_requests},
          {"waiting_bytes", c.waiting_bytes},
          {"minute_bytes", c.minute_bytes},
          {"connections", c.connections},
          {"full_bytes", c.full_bytes},
          {"drbg_bytes", c.drbg_bytes},
          {"requests", c.requests},
          {"refused", c.refused},
          {"last_seen", c.last_seen}};
}

template <typename List, typename Convert>
json::array list(const List& items, const Convert& convert) {
  json::array out;
  for (const auto& item : items) out.push_back(convert(item));
  return out;
}

}  // namespace

json::value status_document(const NodeReport& s) {
  return json::object{
      {"node",
       {{"id", s.node_id},
        {"version", s.version},
        {"role", s.role},
        {"uptime", s.uptime},
        {"generation", s.generation},
        {"ready", s.ready},
        {"pin", s.pin},
        {"problem", s.problem}}},
      {"ledger", account(s.dispenser.total)},
      {"reserve",
       {{"bytes", s.dispenser.fill},
        {"target", s.dispenser.target},
        {"in_flight", s.dispenser.in_flight},
        {"waiting_requests", s.dispenser.waiting_requests},
        {"waiting_bytes", s.dispenser.waiting_bytes}}},
      {"supply",
       {{"proved", s.dispenser.supply},
        {"promised", s.dispenser.promised},
        {"suspended", s.dispenser.suspended}}},
      {"drbg", {{"reseeds", s.drbg.reseeds}, {"bytes", s.drbg.bytes}}},
      {"sources", list(s.sources, [&](const auto& item) { return source(item, s); })},
      {"outlets", list(s.outlets, outlet)},
      {"clients", list(s.clients, client)},
      {"events",
       list(s.events,
            [](const Event& e) {
              return json::object{
                  {"time", e.time}, {"subject", e.subject}, {"text", e.text}, {"alarm", e.alarm}};
            })},
      {"events_total", s.events_total}};
}

}  // namespace qanat::observe
