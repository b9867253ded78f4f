#include "observe/history.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <limits>

namespace qanat::observe {

namespace json = boost::json;

namespace {

constexpr float unknown = std::numeric_limits<float>::quiet_NaN();
constexpr std::int64_t day = 24 * 3600;

constexpr std::array<std::string_view, 13> names{
    "reserve",      "waiting",     "credited",    "delivered",       "reseed",
    "discarded",    "drbg",        "source_rate", "source_credited", "source_estimate",
    "source_state", "outlet_full", "outlet_drbg"};

// Four digits are more than a graph shows, and half the bytes.
double rounded(float value) {
  if (value == 0) return 0;
  const double digits = std::pow(10, 3 - std::floor(std::log10(std::abs(value))));
  return std::round(static_cast<double>(value) * digits) / digits;
}

void put_number(json::array& out, float value) {
  if (std::isnan(value)) {
    out.emplace_back(nullptr);
    return;
  }
  const double number = rounded(value);
  if (number == std::floor(number) && std::abs(number) < 1e15) {
    out.emplace_back(static_cast<std::int64_t>(number));
  } else {
    out.emplace_back(number);
  }
}

}  // namespace

std::string_view to_string(Line line) { return names[static_cast<std::size_t>(line)]; }

std::string_view unit_of(Line line) {
  switch (line) {
    case Line::reserve:
    case Line::waiting:
      return "bytes";
    case Line::source_estimate:
      return "bits";
    case Line::source_state:
      return "state";
    default:
      return "bytes/s";
  }
}

bool is_of_source(Line line) { return line >= Line::source_rate && line <= Line::source_state; }
bool is_of_outlet(Line line) { return line == Line::outlet_full || line == Line::outlet_drbg; }

History::Series History::make_series() const {
  Series made;
  for (std::size_t tier = 0; tier < tiers.size(); ++tier) {
    made.rings[tier].assign(tiers[tier].count, unknown);
  }
  return made;
}

// What no sample came for is unknown, not what it was a round ago.
void History::advance(std::int64_t second) {
  for (std::size_t tier = 0; tier < tiers.size(); ++tier) {
    const auto [step, count] = tiers[tier];
    const std::int64_t from = second_ / step + 1;
    const std::int64_t to = second / step;
    if (second_ >= 0 && to < from) continue;
    for (auto& [name, series] : lines_) {
      if (tier > 0) series.under_way[tier] = {};
      const std::int64_t first = std::max(second_ < 0 ? to : from, to - count + 1);
      for (std::int64_t at = first; at <= to; ++at) {
        series.rings[tier][static_cast<std::size_t>(at % count)] = unknown;
      }
    }
  }
  second_ = second;
}

void History::add(const Sample& sample, TimePoint now) {
  if (!origin_) origin_ = now;
  const std::int64_t second =
      std::chrono::duration_cast<std::chrono::seconds>(now - *origin_).count();
  if (second <= second_) return;
  advance(second);
  std::erase_if(lines_, [second](const auto& line) { return second - line.second.last > day; });
  for (const auto& [name, value] : sample) {
    auto found = lines_.find(name);
    if (found == lines_.end()) {
      if (lines_.size() >= most_lines) {
        ++left_out_;
        continue;
      }
      found = lines_.emplace(name, make_series()).first;
    }
    Series& series = found->second;
    series.last = second;
    series.rings[0][static_cast<std::size_t>(second % tiers[0].count)] = static_cast<float>(value);
    for (std::size_t tier = 1; tier < tiers.size(); ++tier) {
      const auto [step, count] = tiers[tier];
      Series::Sum& sum = series.under_way[tier];
      // Of states the worst of a step is shown, of all else the mean.
      const bool state = name.first == Line::source_state;
      sum.sum = state ? std::max(sum.sum, value) : sum.sum + value;
      ++sum.count;
      series.rings[tier][static_cast<std::size_t>(second / step % count)] =
          static_cast<float>(state ? sum.sum : sum.sum / sum.count);
    }
  }
}

std::vector<float> History::in_order(std::size_t tier, const Series& series) const {
  const auto [step, count] = tiers[tier];
  const std::int64_t last = second_ / step;
  std::vector<float> out;
  out.reserve(count);
  for (std::int64_t at = last - count + 1; at <= last; ++at) {
    out.push_back(at < 0 ? unknown : series.rings[tier][static_cast<std::size_t>(at % count)]);
  }
  return out;
}

std::vector<float> History::values(std::size_t tier, const Name& name) const {
  const auto found = lines_.find(name);
  return found == lines_.end() ? std::vector<float>() : in_order(tier, found->second);
}

History::Copy History::copy(std::size_t tier, TimePoint now, std::int64_t wall_ms,
                            const std::function<bool(const Name&)>& shown) const {
  // When the newest sample was taken, by the clock on the wall as it is now.
  const TimePoint newest =
      origin_ ? *origin_ + std::chrono::seconds(std::max<std::int64_t>(second_, 0)) : now;
  Copy out{.tier = tiers[tier],
           .end_ms = wall_ms -
                     std::chrono::duration_cast<std::chrono::milliseconds>(now - newest).count(),
           .left_out = left_out_,
           .lines = {}};
  for (const auto& [name, series] : lines_) {
    if (shown(name)) out.lines.emplace_back(name, in_order(tier, series));
  }
  return out;
}

json::value history_document(const History::Copy& history) {
  json::array lines;
  for (const auto& [name, values] : history.lines) {
    const auto first =
        std::find_if(values.begin(), values.end(), [](float value) { return !std::isnan(value); });
    if (first == values.end()) continue;
    json::array numbers;
    numbers.reserve(static_cast<std::size_t>(values.end() - first));
    std::for_each(first, values.end(), [&](float value) { put_number(numbers, value); });
    lines.push_back(json::object{{"kind", to_string(name.first)},
                                 {"of", name.second},
                                 {"unit", unit_of(name.first)},
                                 {"values", std::move(numbers)}});
  }
  return json::object{{"end", history.end_ms},
                      {"step", history.tier.step},
                      {"count", history.tier.count},
                      {"left_out", history.left_out},
                      {"series", std::move(lines)}};
}

}  // namespace qanat::observe
