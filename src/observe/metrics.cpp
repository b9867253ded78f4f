#include "observe/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>

namespace qanat::observe {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  // Begins a family; `add` puts samples into the last one begun.
  void begin(const char* name, const char* help, MetricType type) {
    families_.push_back({name, help, type, {}});
  }
  void counter(const char* name, const char* help) { begin(name, help, MetricType::Counter); }
  void gauge(const char* name, const char* help) { begin(name, help, MetricType::Gauge); }
  void add(double value, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    (families_.back().type == MetricType::Counter ? metric.counter.value : metric.gauge.value) =
        value;
    families_.back().metric.push_back(std::move(metric));
  }
  void histogram(const char* name, const char* help) { begin(name, help, MetricType::Histogram); }
  void add(const LatencyCounts& latency, Labels labels) {
    ClientMetric metric;
    metric.label = std::move(labels);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < latency.counts.size(); ++i) {
      below += latency.counts[i];
      const double bound =
          i < latency_bounds.size() ? latency_bounds[i] : std::numeric_limits<double>::infinity();
      metric.histogram.bucket.push_back({below, bound});
    }
    metric.histogram.sample_count = below;
    metric.histogram.sample_sum = latency.sum;
    families_.back().metric.push_back(std::move(metric));
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
};

void add_ledger(Families& out, const NodeReport& s) {
  // In bytes, as Prometheus wants it; a double holds eighths of them exactly.
  constexpr double bits = 1.0 / 8;
  out.counter("qanat_ledger_bytes_total", "Full-entropy bytes, by source and what became of them");
  for (const auto& [name, account] : s.dispenser.sources) {
    if (name.empty()) continue;  // not the viewer's business
    for (const auto& [kind, amount] :
         {std::pair{"credited", account.credited}, std::pair{"delivered", account.delivered},
          std::pair{"discarded", account.discarded}, std::pair{"reseed", account.reseed}}) {
      out.add(static_cast<double>(amount) * bits, {{"source", name}, {"kind", kind}});
    }
  }
  out.gauge("qanat_ledger_reserve_bytes", "Full-entropy bytes here, by source");
  for (const auto& [name, account] : s.dispenser.sources) {
    if (name.empty()) continue;
    out.add(static_cast<double>(account.reserve) * bits, {{"source", name}});
  }
}

void add_sources(Families& out, const NodeReport& s) {
  static constexpr std::array states{"start-up", "healthy", "suspect", "failed", "gone", "refuted"};
  out.gauge("qanat_source_state", "1 for the state that the source is in");
  for (const auto& source : s.sources) {
    for (const char* state : states) {
      out.add(to_string(source.state) == std::string_view(state) ? 1 : 0,
              {{"source", source.name}, {"state", state}});
    }
  }
  const auto each = [&](double (*value)(const observe::SourceReport&)) {
    for (const auto& source : s.sources) out.add(value(source), {{"source", source.name}});
  };
  out.counter("qanat_source_samples_total", "Samples of 8 bits that were read");
  each([](const auto& r) { return static_cast<double>(r.bytes); });
  out.gauge("qanat_source_bytes_per_second", "Samples of 8 bits a second while it is read");
  each([](const auto& r) { return r.rate; });
  out.gauge("qanat_source_claimed_min_entropy_ratio",
            "Claimed min-entropy of a bit, 0 to 1; 0 when not credited");
  each([](const auto& r) { return r.credit ? r.h / 8 : 0; });
  out.gauge(
      "qanat_source_estimated_min_entropy_ratio",
      "Estimated min-entropy of a bit over the last 65,536 samples (SP 800-90B 6.3.1, 6.3.3)");
  for (const auto& source : s.sources) {
    if (!source.estimate) continue;
    out.add(source.estimate->most_common_value / 8,
            {{"source", source.name}, {"estimator", "most_common_value"}});
    out.add(source.estimate->markov / 8, {{"source", source.name}, {"estimator", "markov"}});
  }
  out.gauge("qanat_source_last_window_timestamp_seconds",
            "When samples of the source were last judged, seconds since 1970");
  for (const auto& source : s.sources) {
    if (source.last_window == TimePoint{}) continue;
    out.add(s.wall_time(source.last_window), {{"source", source.name}});
  }
  out.counter("qanat_source_test_failures_total", "Windows that a health test rejected");
  for (const auto& source : s.sources) {
    for (const auto& [test, count] : source.test_failures) {
      out.add(static_cast<double>(count), {{"source", source.name}, {"test", test}});
    }
  }
  out.gauge("qanat_source_reading", "What the hardware tells of itself, in the unit of its name");
  for (const auto& source : s.sources) {
    for (const auto& [reading, value] : source.readings) {
      out.add(value, {{"source", source.name}, {"reading", reading}});
    }
  }
  out.counter("qanat_source_alarms_total",
              "Windows, or transfers of another node, that were not believed");
  each([](const auto& r) { return static_cast<double>(r.alarms); });
  out.counter("qanat_source_failures_total", "Times that the source was failed");
  each([](const auto& r) { return static_cast<double>(r.failures); });
  out.counter("qanat_source_blocks_total", "Blocks of 20,000 bits examined");
  each([](const auto& r) { return static_cast<double>(r.blocks.blocks); });
  out.counter("qanat_source_fips_failed_total", "Blocks that failed FIPS 140-2");
  each([](const auto& r) { return static_cast<double>(r.blocks.fips_failed); });
  out.counter("qanat_source_weak_total", "Blocks with odd 4-bit frequencies");
  each([](const auto& r) { return static_cast<double>(r.blocks.weak); });
}

void add_trickle(Families& out, const NodeReport& s) {
  out.counter("qanat_source_trickle_total", "Of an upstream: datagrams and what came of them");
  for (const auto& source : s.sources) {
    for (const auto& [what, count] : source.trickle) {
      out.add(static_cast<double>(count), {{"source", source.name}, {"what", what}});
    }
  }
}

void add_dropped(Families& out, const NodeReport& s) {
  out.counter("qanat_source_dropped_total", "Messages that came and were not used, by reason");
  for (const auto& source : s.sources) {
    for (const auto& [reason, count] : source.dropped) {
      out.add(static_cast<double>(count), {{"source", source.name}, {"reason", reason}});
    }
  }
}

void add_outlets(Families& out, const NodeReport& s) {
  out.gauge("qanat_outlet_connections", "Connections open");
  for (const auto& o : s.outlets) {
    out.add(static_cast<double>(o.connections), {{"outlet", o.name}});
  }
  out.counter("qanat_outlet_deliveries_total", "Requests answered with bytes, or times fed");
  for (const auto& o : s.outlets) {
    out.add(static_cast<double>(o.deliveries), {{"outlet", o.name}});
  }
  out.gauge("qanat_outlet_waiting_requests", "Requests in line for full entropy");
  for (const auto& o : s.outlets) out.add(static_cast<double>(o.waiting), {{"outlet", o.name}});
  out.histogram("qanat_outlet_latency_seconds", "From a request to the last byte of its answer");
  for (const auto& o : s.outlets) out.add(o.latency, {{"outlet", o.name}});
  out.counter("qanat_outlet_bytes_total", "Random bytes delivered, by grade");
  for (const auto& o : s.outlets) {
    out.add(static_cast<double>(o.full_bytes), {{"outlet", o.name}, {"grade", "full"}});
    out.add(static_cast<double>(o.drbg_bytes), {{"outlet", o.name}, {"grade", "drbg"}});
  }
  out.counter("qanat_outlet_refused_total", "Refused or dropped, by reason");
  for (const auto& o : s.outlets) {
    for (const auto& [reason, count] : o.refused) {
      out.add(static_cast<double>(count), {{"outlet", o.name}, {"reason", reason}});
    }
  }
}

void add_tls(Families& out, const NodeReport& s) {
  out.counter("qanat_outlet_tls_handshakes_total", "TLS handshakes, by group of the key exchange");
  for (const auto& o : s.outlets) {
    for (const auto& [group, count] : o.groups) {
      out.add(static_cast<double>(count), {{"outlet", o.name}, {"group", group}});
    }
  }
  out.gauge("qanat_outlet_certificate_end_timestamp_seconds",
            "When the certificate that is shown ends, seconds since 1970");
  for (const auto& o : s.outlets) {
    if (o.certificate_until != 0) {
      out.add(static_cast<double>(o.certificate_until), {{"outlet", o.name}});
    }
  }
}

void add_node(Families& out, const NodeReport& s) {
  if (!s.whole) return;
  out.gauge("qanat_clients", "Clients with a name");
  out.add(static_cast<double>(s.clients_total));
  out.gauge("qanat_clients_suspended", "Of these, those whose guarantee is suspended");
  out.add(static_cast<double>(s.dispenser.suspended_flows));
  out.gauge("qanat_thread_last_turn_timestamp_seconds",
            "When a thread last turned, or now where it rests; seconds since 1970");
  for (const auto& thread : s.threads) {
    out.add(s.wall_time(thread.last_turn), {{"thread", thread.name}});
  }
  out.counter("qanat_events_total", "Events, by kind");
  for (const auto& [kind, count] : s.events_by_kind) {
    out.add(static_cast<double>(count), {{"kind", std::string(to_string(kind))}});
  }
  out.counter("qanat_alarms_total", "What alarms had to tell, by what came of it");
  for (const auto& [name, alarm] : s.alarms) {
    for (const auto& [outcome, count] :
         {std::pair{"sent", alarm.sent}, std::pair{"failed", alarm.failed},
          std::pair{"dropped", alarm.dropped}}) {
      out.add(static_cast<double>(count), {{"alarm", name}, {"outcome", outcome}});
    }
  }
}

void add_clients(Families& out, const NodeReport& s) {
  if (s.whole) {
    out.gauge("qanat_clients_left_out",
              "Clients that are not below, as they have drawn least lately");
    out.add(static_cast<double>(s.clients_total - s.clients.size()));
  }
  out.counter("qanat_client_bytes_total", "Random bytes delivered to a client, by grade");
  for (const auto& c : s.clients) {
    out.add(static_cast<double>(c.full_bytes), {{"client", c.name}, {"grade", "full"}});
    out.add(static_cast<double>(c.drbg_bytes), {{"client", c.name}, {"grade", "drbg"}});
  }
  const auto each = [&](double (*value)(const ClientReport&)) {
    for (const auto& c : s.clients) out.add(value(c), {{"client", c.name}});
  };
  out.gauge("qanat_client_promised_bytes_per_second", "Guaranteed");
  each([](const auto& c) { return static_cast<double>(c.rate); });
  out.gauge("qanat_client_suspended", "1 while the supply does not allow its guarantee");
  each([](const auto& c) { return c.suspended ? 1.0 : 0.0; });
  out.gauge("qanat_client_waiting_bytes", "Bytes of grade full that its requests wait for");
  each([](const auto& c) { return static_cast<double>(c.waiting_bytes); });
  out.counter("qanat_client_refused_total", "Requests of a client that were refused");
  each([](const auto& c) { return static_cast<double>(c.refused); });
}

}  // namespace

std::string metrics_text(const NodeReport& s) {
  Families out;
  out.gauge("qanat_info", "Always 1");
  out.add(1, {{"id", s.node_id}, {"version", s.version}, {"role", s.role}});
  out.gauge("qanat_generation", "Goes up when this machine was seeded anew, as it may be a copy");
  out.add(static_cast<double>(s.generation));
  out.gauge("qanat_uptime_seconds", "Since start");
  out.add(s.uptime);
  out.gauge("qanat_ready", "1 when both grades can be served");
  out.add(s.ready ? 1 : 0);
  out.gauge("qanat_reserve_bytes", "Full-entropy bytes in the reserve");
  out.add(static_cast<double>(s.dispenser.fill));
  out.gauge("qanat_reserve_target_bytes", "Bytes it is filled up to");
  out.add(static_cast<double>(s.dispenser.target));
  out.gauge("qanat_reserve_in_flight_bytes", "Bytes on their way to whoever asked for them");
  out.add(static_cast<double>(s.dispenser.in_flight));
  out.gauge("qanat_waiting_requests", "Requests in line for full entropy");
  out.add(static_cast<double>(s.dispenser.waiting_requests));
  out.gauge("qanat_waiting_bytes", "Bytes that they wait for");
  out.add(static_cast<double>(s.dispenser.waiting_bytes));
  out.gauge("qanat_supply_bytes_per_second", "What the sources have proved to deliver");
  out.add(s.dispenser.supply);
  out.gauge("qanat_promised_bytes_per_second", "Sum of all guarantees");
  out.add(s.dispenser.promised);
  out.gauge("qanat_suspended_bytes_per_second", "Of these, what the supply does not allow now");
  out.add(s.dispenser.suspended);
  out.counter("qanat_drbg_reseeds_total", "DRBG reseeds from the reserve");
  out.add(static_cast<double>(s.drbg.reseeds));
  out.counter("qanat_drbg_bytes_total", "DRBG output, bytes");
  out.add(static_cast<double>(s.drbg.bytes));
  add_ledger(out, s);
  add_sources(out, s);
  add_trickle(out, s);
  add_dropped(out, s);
  add_outlets(out, s);
  add_tls(out, s);
  add_node(out, s);
  if (s.clients_shown) add_clients(out, s);
  return out.text();
}

}  // namespace qanat::observe
