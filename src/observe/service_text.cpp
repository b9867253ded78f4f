#include "observe/service_text.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <algorithm>
#include <ctime>

#include "base/quantity.h"
#include "base/shown.h"
#include "observe/verdict.h"

namespace qanat::observe {
namespace {

std::string amount_of(std::size_t count, const char* one, const char* several) {
  return fmt::format("{} {}", count, count == 1 ? one : several);
}

// "hub.example:7749" of "https://hub.example:7749 as router"; of several, each.
std::string places_in(const std::string& names) {
  std::string out;
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = std::min(names.find(", ", at), names.size());
    std::string_view name = std::string_view(names).substr(at, end - at);
    if (const auto scheme = name.find("://"); scheme != name.npos) name.remove_prefix(scheme + 3);
    name = name.substr(0, name.find(" as "));
    out += (out.empty() ? "" : ", ") + std::string(name);
    at = end + 2;
  }
  return out;
}

std::string hub_text(const NodeReport& report) {
  const std::size_t sources = report.sources.size();
  const auto working = static_cast<std::size_t>(std::count_if(
      report.sources.begin(), report.sources.end(),
      [](const SourceReport& source) { return source.state == entropy::SourceState::healthy; }));
  return fmt::format(
      "{}{}, {}, reserve {}, {}", working < sources ? fmt::format("{} of ", working) : "",
      amount_of(sources, "source", "sources"), amount_of(report.clients_total, "client", "clients"),
      format_size(static_cast<double>(report.dispenser.fill)),
      format_rate(report.dispenser.supply));
}

std::string feed_text(const NodeReport& report) {
  std::int64_t last = 0;
  std::int64_t next = 0;
  for (const OutletReport& outlet : report.outlets) {
    if (!outlet.schedule || outlet.schedule->last <= last) continue;
    last = outlet.schedule->last;
    next = outlet.schedule->next;
  }
  if (last == 0) return "not fed yet";
  std::string from;
  for (const SourceReport& source : report.sources) {
    from += (from.empty() ? " from " : ", ") + shown(places_in(source.name), 200);
  }
  std::string text =
      fmt::format("last fed {:%F %T}{}", fmt::localtime(static_cast<std::time_t>(last)), from);
  if (next != 0) {
    text += fmt::format(", next {:%T}", fmt::localtime(static_cast<std::time_t>(next)));
  }
  return text;
}

}  // namespace

std::string service_text(const NodeReport& report) {
  const std::string figures = report.role == "feed" ? feed_text(report) : hub_text(report);
  const Verdict verdict = verdict_of(report);
  return verdict.level == Verdict::Level::good ? figures : figures + ". " + verdict.text;
}

}  // namespace qanat::observe
