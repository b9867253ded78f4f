#include "observe/status.h"

#include <algorithm>
#include <boost/json.hpp>
#include <ctime>
#include <tuple>
#include <utility>

#include "observe/verdict.h"

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

json::object counts(const std::map<std::string, std::uint64_t>& by_name) {
  json::object out;
  for (const auto& [name, count] : by_name) out[name] = count;
  return out;
}

std::int64_t unix_seconds(double time) { return static_cast<std::int64_t>(time); }

json::value estimate(const SourceReport& s) {
  if (!s.estimate) return nullptr;
  return json::object{{"most_common_value", s.estimate->most_common_value},
                      {"markov", s.estimate->markov},
                      {"samples", s.estimate->samples}};
}

json::object readings(const observe::SourceReport& s) {
  json::object out;
  for (const auto& [name, value] : s.readings) out[name] = value;
  return out;
}

json::object source(const observe::SourceReport& s, const NodeReport& snapshot) {
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
          {"trickle", counts(s.trickle)},
          {"dropped", counts(s.dropped)},
          {"credited_rate", s.credited_rate},
          {"upstream", s.upstream},
          {"last_window", unix_seconds(snapshot.wall_time(s.last_window))},
          {"test_failures", counts(s.test_failures)},
          {"estimate", estimate(s)},
          {"readings", readings(s)},
          {"ledger", account(snapshot.dispenser.sources.at(s.account).second)}};
}

json::object outlet(const observe::OutletReport& o) {
  json::object document{{"name", o.name},
                        {"detail", o.detail},
                        {"problem", o.problem},
                        {"connections", o.connections},
                        {"deliveries", o.deliveries},
                        {"full_bytes", o.full_bytes},
                        {"drbg_bytes", o.drbg_bytes},
                        {"refused", counts(o.refused)},
                        {"full_rate", o.full_rate},
                        {"drbg_rate", o.drbg_rate},
                        {"waiting_requests", o.waiting},
                        {"guests", o.guests}};
  if (o.schedule) {
    json::object schedule{
        {"last", o.schedule->last}, {"next", o.schedule->next}, {"every", o.schedule->every}};
    if (o.schedule->credited_bits) schedule["credited_bits"] = *o.schedule->credited_bits;
    document["schedule"] = std::move(schedule);
  }
  if (o.certificate_until == 0) return document;
  document["tls"] = {{"certificate_until", o.certificate_until}, {"groups", counts(o.groups)}};
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

json::value event_document(const Event& e) {
  return json::object{{"id", e.id},
                      {"time", e.time},
                      {"subject", e.subject},
                      {"text", e.text},
                      {"alarm", is_alarm(e.kind)},
                      {"kind", to_string(e.kind)}};
}

json::value live_document(NodeReport s) {
  const std::size_t most = std::min(most_live_clients, s.clients.size());
  // Who is in trouble stands before who draws much.
  const auto rank = [](const ClientReport& c) {
    return std::tuple(c.suspended, c.waiting_bytes > 0, c.minute_bytes, c.last_seen);
  };
  std::partial_sort(s.clients.begin(), s.clients.begin() + static_cast<std::ptrdiff_t>(most),
                    s.clients.end(),
                    [&](const auto& a, const auto& b) { return rank(a) > rank(b); });
  s.clients.resize(most);
  s.events.clear();
  return status_document(s);
}

json::value status_document(const NodeReport& s) {
  const Verdict verdict = verdict_of(s);
  return json::object{
      {"node",
       {{"id", s.node_id},
        {"version", s.version},
        {"role", s.role},
        {"uptime", s.uptime},
        {"generation", s.generation},
        {"ready", s.ready},
        {"pin", s.pin},
        {"problem", s.problem},
        {"time", s.time_ms}}},
      {"verdict",
       {{"level", to_string(verdict.level)}, {"text", verdict.text}, {"hint", verdict.hint}}},
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
      {"rates",
       {{"credited", s.rates.credited},
        {"delivered", s.rates.delivered},
        {"discarded", s.rates.discarded},
        {"reseed", s.rates.reseed},
        {"drbg", s.rates.drbg}}},
      {"sources", list(s.sources, [&](const auto& item) { return source(item, s); })},
      {"outlets", list(s.outlets, outlet)},
      {"clients", list(s.clients, client)},
      {"clients_total", s.clients_total},
      {"observers", list(s.observers,
                         [](const ObserverReport& o) {
                           return json::object{{"name", o.name},
                                               {"connections", o.connections},
                                               {"last_seen", o.last_seen}};
                         })},
      {"threads", list(s.threads,
                       [&](const ThreadReport& t) {
                         return json::object{{"name", t.name},
                                             {"last_turn", unix_seconds(s.wall_time(t.last_turn))},
                                             {"still", t.stuck ? seconds(s.now - t.last_turn) : 0}};
                       })},
      {"events", list(s.events, event_document)},
      {"events_total", s.events_total}};
}

}  // namespace qanat::observe
