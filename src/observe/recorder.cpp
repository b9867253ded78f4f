#include "observe/recorder.h"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

namespace qanat::observe {
namespace {

// The ledger counts bits.
std::uint64_t bytes(std::uint64_t bits) { return bits / 8; }

// Every counter of which a rate is wanted.
std::map<History::Name, std::uint64_t> counters(const NodeReport& report) {
  const entropy::Account& total = report.dispenser.total;
  std::map<History::Name, std::uint64_t> out{{{Line::credited, ""}, bytes(total.credited)},
                                             {{Line::delivered, ""}, bytes(total.delivered)},
                                             {{Line::reseed, ""}, bytes(total.reseed)},
                                             {{Line::discarded, ""}, bytes(total.discarded)},
                                             {{Line::drbg, ""}, report.drbg.bytes}};
  for (const SourceReport& source : report.sources) {
    out[{Line::source_credited, source.name}] +=
        bytes(report.dispenser.sources.at(source.account).second.credited);
  }
  for (const OutletReport& outlet : report.outlets) {
    out[{Line::outlet_full, outlet.name}] += outlet.full_bytes;
    out[{Line::outlet_drbg, outlet.name}] += outlet.drbg_bytes;
  }
  return out;
}

}  // namespace

void Meter::add(std::uint64_t value, TimePoint now) {
  looks_[seen_ % looks_.size()] = {value, now};
  ++seen_;
}

double Meter::rate_between(std::size_t first) const {
  if (seen_ < 2) return 0;
  const Look& from = looks_[(first - 1) % looks_.size()];
  const Look& to = looks_[(seen_ - 1) % looks_.size()];
  const double took = seconds(to.at - from.at);
  if (took <= 0 || to.value < from.value) return 0;
  return static_cast<double>(to.value - from.value) / took;
}

void Recorder::record(const NodeReport& report, TimePoint now) {
  const auto counted = counters(report);
  History::Sample sample{
      {{Line::reserve, ""}, static_cast<double>(report.dispenser.fill)},
      {{Line::waiting, ""}, static_cast<double>(report.dispenser.waiting_bytes)}};
  const MutexLock lock(mutex_);
  std::erase_if(meters_, [&](const auto& meter) { return !counted.contains(meter.first); });
  for (const auto& [name, value] : counted) {
    Meter& meter = meters_[name];
    meter.add(value, now);
    sample[name] = meter.last_rate();
  }
  for (const SourceReport& source : report.sources) {
    sample[{Line::source_rate, source.name}] = source.rate;
    sample[{Line::source_state, source.name}] = static_cast<double>(source.state);
    if (source.estimate) sample[{Line::source_estimate, source.name}] = source.estimate->least();
  }
  // Whoever looks seldom, as nothing happens, has seen the mean of the seconds in between.
  constexpr Duration most_between = std::chrono::seconds(10);
  if (recorded_ != TimePoint{} && now - recorded_ <= most_between) {
    for (TimePoint at = recorded_ + std::chrono::seconds(1); at < now;
         at += std::chrono::seconds(1)) {
      history_.add(sample, at);
    }
  }
  history_.add(sample, now);
  recorded_ = now;
}

void Recorder::add_rates(NodeReport& report) const {
  const MutexLock lock(mutex_);
  const auto rate = [this](Line line, const std::string& of) REQUIRES(mutex_) {
    const auto found = meters_.find({line, of});
    return found == meters_.end() ? 0 : found->second.rate();
  };
  report.rates = {.credited = rate(Line::credited, ""),
                  .delivered = rate(Line::delivered, ""),
                  .discarded = rate(Line::discarded, ""),
                  .reseed = rate(Line::reseed, ""),
                  .drbg = rate(Line::drbg, "")};
  for (SourceReport& source : report.sources) {
    // Of one that has gone nothing comes, though it did a moment ago.
    const bool gone = source.state == entropy::SourceState::gone;
    source.credited_rate = gone ? 0 : rate(Line::source_credited, source.name);
  }
  for (OutletReport& outlet : report.outlets) {
    outlet.full_rate = rate(Line::outlet_full, outlet.name);
    outlet.drbg_rate = rate(Line::outlet_drbg, outlet.name);
  }
}

std::optional<std::size_t> Recorder::tier_of(std::string_view span) {
  constexpr std::array<std::string_view, History::tiers.size()> spans{"10m", "2h", "24h"};
  const auto found = std::find(spans.begin(), spans.end(), span);
  if (found == spans.end()) return std::nullopt;
  return static_cast<std::size_t>(found - spans.begin());
}

std::string Recorder::history(std::size_t tier, const NodeReport& report, TimePoint now) const {
  std::set<std::string, std::less<>> sources;
  for (const SourceReport& source : report.sources) sources.insert(source.name);
  // What others wait for and draw by a DRBG is not everybody's business, nor are outlets.
  const auto shown = [&](const History::Name& name) {
    if (report.whole) return true;
    if (is_of_source(name.first)) return sources.contains(name.second);
    return !is_of_outlet(name.first) && name.first != Line::waiting && name.first != Line::drbg;
  };
  const auto copied = [&] {
    const MutexLock lock(mutex_);
    return history_.copy(tier, now, report.time_ms, shown);
  };
  return boost::json::serialize(history_document(copied())) + "\n";
}

}  // namespace qanat::observe
