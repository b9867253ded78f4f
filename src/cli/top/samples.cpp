#include "cli/top/samples.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "observe/fields.h"

namespace qanat::cli::top {

namespace json = boost::json;
using observe::Fields;

namespace {

// As the node's own rates: long enough to be calm, short enough to follow.
constexpr double rate_time = 5;
constexpr const char* client_kind = "client";

}  // namespace

void Samples::load(const json::value& history, double now) {
  const Fields fields(history);
  const double step = fields.number("step");
  if (step <= 0) return;
  for (const Fields& one : fields.list("series")) {
    Points points;
    const auto values = one.numbers("values");
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double time = now - step * static_cast<double>(values.size() - 1 - i);
      if (values[i] && time >= now - kept) points.push_back({time, *values[i]});
    }
    if (!points.empty()) series_[{one.text("kind"), one.text("of")}] = std::move(points);
  }
}

void Samples::add(const json::value& document, double now) {
  if (last_ > 0) step_ = now - last_;
  last_ = now;
  const Fields fields(document);
  keep({"reserve", ""}, fields.part("reserve").number("bytes"), now);
  const auto rate = [&](const Key& key, const Fields& where, const char* name, double total) {
    const auto grown = growth(key, total, now);
    if (where.has(name)) {
      keep(key, where.number(name), now);
    } else if (grown) {
      keep(key, *grown, now);
    }
  };
  for (const char* const kind : {"credited", "delivered", "discarded", "reseed"}) {
    rate({kind, ""}, fields.part("rates"), kind, fields.part("ledger").number(kind) / 8);
  }
  rate({"drbg", ""}, fields.part("rates"), "drbg", fields.part("drbg").number("bytes"));
  for (const Fields& s : fields.list("sources")) {
    const std::string name = s.text("name");
    keep({"source_rate", name}, s.number("rate"), now);
    rate({"source_credited", name}, s, "credited_rate", s.part("ledger").number("credited") / 8);
  }
  for (const Fields& o : fields.list("outlets")) {
    const std::string name = o.text("name");
    rate({"outlet_full", name}, o, "full_rate", o.number("full_bytes"));
    rate({"outlet_drbg", name}, o, "drbg_rate", o.number("drbg_bytes"));
  }
  for (const Fields& c : fields.list("clients")) {
    (void)growth({client_kind, c.text("name")}, c.number("full_bytes") + c.number("drbg_bytes"),
                 now);
  }
  std::erase_if(totals_, [&](const auto& item) { return item.second.back().time < now; });
  for (auto& [key, points] : series_) {
    while (!points.empty() && points.front().time < now - kept) points.pop_front();
  }
  std::erase_if(series_, [](const auto& item) { return item.second.empty(); });
}

void Samples::keep(const Key& key, double value, double now) {
  series_[key].push_back({now, value});
}

std::optional<double> Samples::growth(const Key& key, double total, double now) {
  Points& points = totals_[key];
  // A node that began anew counts from 0.
  if (!points.empty() && total < points.back().value) points.clear();
  points.push_back({now, total});
  while (points.size() > 2 && points[1].time <= now - rate_time) points.pop_front();
  const double time = now - points.front().time;
  if (time <= 0) return std::nullopt;
  return (total - points.front().value) / time;
}

std::vector<std::optional<double>> Samples::means(const std::string& kind, const std::string& of,
                                                  std::size_t count, double span,
                                                  double now) const {
  std::vector<std::optional<double>> means(count);
  const auto found = series_.find({kind, of});
  if (found == series_.end() || count == 0) return means;
  const double width = span / static_cast<double>(count);
  // The borders stand still while time passes: a picture moves by whole columns.
  const double newest = std::floor(now / width);
  const auto column = [&](double time) {
    return static_cast<std::int64_t>(count) - 1 -
           static_cast<std::int64_t>(newest - std::floor(time / width));
  };
  // Where documents come more seldom than columns, one holds until the next is due.
  const auto hold = static_cast<std::int64_t>(std::max(0.0, std::ceil(1.5 * step_ / width) - 1));
  std::optional<double> last;
  std::int64_t since = 0;  // columns that `last` is old
  std::vector<std::size_t> seen(count);
  for (const Point& point : found->second) {
    const std::int64_t at = column(point.time);
    if (at < 0) {
      last = point.value;
      since = -at - 1;
    }
    if (at < 0 || at >= static_cast<std::int64_t>(count)) continue;
    const auto i = static_cast<std::size_t>(at);
    means[i] = means[i].value_or(0) + point.value;
    ++seen[i];
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (seen[i] > 0) *means[i] /= static_cast<double>(seen[i]);
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (seen[i] > 0) {
      last = means[i];
      since = 0;
    } else if (++since <= hold) {
      means[i] = last;
    }
  }
  return means;
}

std::optional<double> Samples::newest(const std::string& kind, const std::string& of) const {
  const auto found = series_.find({kind, of});
  if (found == series_.end() || found->second.back().time < last_) return std::nullopt;
  return found->second.back().value;
}

std::optional<double> Samples::client_rate(const std::string& name) const {
  const auto found = totals_.find({client_kind, name});
  if (found == totals_.end()) return std::nullopt;
  const Points& points = found->second;
  const double time = points.back().time - points.front().time;
  if (time <= 0) return std::nullopt;
  return (points.back().value - points.front().value) / time;
}

}  // namespace qanat::cli::top
