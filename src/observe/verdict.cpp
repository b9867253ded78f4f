#include "observe/verdict.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "base/quantity.h"
#include "base/shown.h"

namespace qanat::observe {
namespace {

using entropy::SourceState;
using Level = Verdict::Level;

// A node that has just begun is given that long before what it lacks is a fault.
constexpr double starting_seconds = 20;
constexpr std::int64_t certificate_days = 7;
constexpr std::int64_t day_seconds = 86400;

bool delivers(const SourceReport& source) {
  return source.credit && source.state == SourceState::healthy;
}
bool is_lost(const SourceReport& source) {
  return source.state == SourceState::failed || source.state == SourceState::gone ||
         source.state == SourceState::refuted;
}

std::string named(const std::string& name) { return "'" + shown(name) + "'"; }

std::string counted(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string hint_for(const SourceReport& source) {
  switch (source.state) {
    case SourceState::gone:
      return source.name.starts_with("file:")
                 ? "It is looked for all the time. A file that was read to its end needs new "
                   "bytes, "
                   "or no place in the configuration."
             : source.upstream
                 ? "See that the hub runs, can be reached and knows this client; it is tried again "
                   "by itself."
                 : "See that it is there and may be read; it is looked for all the time.";
    case SourceState::refuted:
      return "Correct h= of this source, or say credit=insist; docs/sources.md tells how.";
    default:
      return "It is tried again by itself; if it fails again, mend what the reason says, or "
             "replace "
             "the device.";
  }
}

std::string said_of(const SourceReport& source) {
  // The detail may begin with the state, as the event does that it comes from.
  std::string detail = source.detail;
  const std::string state = std::string(to_string(source.state)) + ": ";
  if (detail.starts_with(state)) detail.erase(0, state.size());
  const std::string why = detail.empty() ? "" : ": " + shown(detail, 200);
  switch (source.state) {
    case SourceState::failed:
      return fmt::format("Source {} has failed{}.", named(source.name), why);
    case SourceState::gone:
      return fmt::format("Source {} is gone{}.", named(source.name), why);
    default:
      return fmt::format("Source {} gives less than is claimed of it{}.", named(source.name), why);
  }
}

std::optional<Verdict> of_node(const NodeReport& report) {
  if (!report.problem.empty()) {
    return Verdict{Level::bad, shown(report.problem, 300), "See the log of the node."};
  }
  for (const ThreadReport& thread : report.threads) {
    if (!thread.stuck) continue;
    return Verdict{Level::bad,
                   fmt::format("Thread '{}' has stood still for {}.", shown(thread.name),
                               format_duration(report.now - thread.last_turn)),
                   "See the log; if it does not go on, restart the node."};
  }
  return std::nullopt;
}

// What is wrong with the sources as a whole.
std::optional<Verdict> of_supply(const NodeReport& report) {
  if (report.sources.empty()) {
    return Verdict{Level::bad, "This node has no source.",
                   report.role == "feed" ? "Name an upstream: qanat feed JOINSTRING."
                                         : "Add one: 'qanat sources' lists those of this machine."};
  }
  if (std::any_of(report.sources.begin(), report.sources.end(), delivers)) return std::nullopt;
  const auto lost = std::find_if(report.sources.begin(), report.sources.end(), is_lost);
  const bool none_counts = std::none_of(report.sources.begin(), report.sources.end(),
                                        [](const SourceReport& source) { return source.credit; });
  if (report.uptime < starting_seconds && lost == report.sources.end() && !none_counts) {
    return Verdict{Level::warning, "The sources are in their start-up tests.",
                   "Wait some seconds."};
  }
  if (lost != report.sources.end()) {
    return Verdict{Level::bad, fmt::format("No source delivers. {}", said_of(*lost)),
                   hint_for(*lost)};
  }
  return Verdict{Level::bad, "No source is credited.",
                 "Give a source h= and credit=yes, or add one that has a claim of its own."};
}

std::optional<Verdict> of_readiness(const NodeReport& report) {
  if (report.ready) return std::nullopt;
  const bool starting = report.uptime < starting_seconds;
  if (report.role == "feed") {
    return Verdict{starting ? Level::warning : Level::bad, "This machine has not been fed yet.",
                   starting ? "Wait some seconds." : "Look at the upstreams below, and the log."};
  }
  return Verdict{starting ? Level::warning : Level::bad,
                 "The node is not ready: its DRBG has no seed yet.",
                 starting ? "Wait some seconds." : "Look at the sources below, and the log."};
}

// A feed misses one now and then; three in a row are no chance.
std::optional<Verdict> of_feeding(const NodeReport& report) {
  constexpr std::int64_t most_missed = 3;
  if (report.role != "feed") return std::nullopt;
  for (const OutletReport& outlet : report.outlets) {
    if (!outlet.schedule || outlet.schedule->every == 0 || outlet.schedule->last == 0) continue;
    const std::int64_t since = report.time_ms / 1000 - outlet.schedule->last;
    if (since <= most_missed * outlet.schedule->every) continue;
    return Verdict{Level::bad,
                   fmt::format("{} was last fed {} ago{}.", named(outlet.name),
                               format_duration(std::chrono::seconds(since)),
                               outlet.problem.empty() ? "" : ": " + shown(outlet.problem, 200)),
                   "Look at the upstreams below, and the log."};
  }
  return std::nullopt;
}

// In its start-up test, for which nothing comes: a FIFO that nobody writes to.
bool is_silent(const SourceReport& source, const NodeReport& report) {
  const bool tested = source.state == SourceState::start_up || source.state == SourceState::suspect;
  return tested && !source.upstream && report.uptime >= starting_seconds &&
         (source.last_window == TimePoint{} ||
          seconds(report.now - source.last_window) >= starting_seconds);
}

std::optional<Verdict> of_parts(const NodeReport& report) {
  for (const SourceReport& source : report.sources) {
    if (is_lost(source)) return Verdict{Level::warning, said_of(source), hint_for(source)};
  }
  for (const SourceReport& source : report.sources) {
    if (!is_silent(source, report)) continue;
    return Verdict{Level::warning, fmt::format("Source {} gives nothing.", named(source.name)),
                   "Look whether something writes to it, or the device is in order."};
  }
  if (report.dispenser.suspended > 0) {
    return Verdict{
        Level::warning,
        fmt::format("Guarantees of {} are suspended: the sources prove {}.",
                    format_rate(report.dispenser.suspended), format_rate(report.dispenser.supply)),
        "Bring back the source that is missing, or promise less ([[client]] rate)."};
  }
  for (const OutletReport& outlet : report.outlets) {
    if (outlet.problem.empty()) continue;
    return Verdict{Level::warning,
                   fmt::format("Outlet {}: {}.", named(outlet.name), shown(outlet.problem, 200)),
                   "See the log for when it began."};
  }
  for (const OutletReport& outlet : report.outlets) {
    const std::int64_t left = outlet.certificate_until - report.time_ms / 1000;
    if (outlet.certificate_until == 0 || left > certificate_days * day_seconds) continue;
    return Verdict{Level::warning,
                   left <= 0 ? fmt::format("The certificate of {} has ended.", named(outlet.name))
                             : fmt::format("The certificate of {} ends in {}.", named(outlet.name),
                                           format_duration(std::chrono::seconds(left))),
                   "Put a new one in its place; it is taken up without a restart."};
  }
  const share::DispenserReport& d = report.dispenser;
  if (d.target > 0 && d.fill == 0 && d.waiting_requests > 0) {
    return Verdict{Level::warning,
                   fmt::format("The reserve is empty; {} for {}.",
                               counted(d.waiting_requests, "request waits", "requests wait"),
                               format_size(static_cast<double>(d.waiting_bytes))),
                   "Add a source, or let clients take grade drbg."};
  }
  return std::nullopt;
}

Verdict good(const NodeReport& report) {
  const auto working = static_cast<std::size_t>(
      std::count_if(report.sources.begin(), report.sources.end(), delivers));
  if (report.role == "feed") {
    return {Level::good,
            fmt::format("All is well: this machine is fed from {}.",
                        counted(report.sources.size(), "upstream", "upstreams")),
            ""};
  }
  return {Level::good,
          fmt::format("All is well: {}, and the reserve holds {} of {}.",
                      counted(working, "source delivers", "sources deliver"),
                      format_size(static_cast<double>(report.dispenser.fill)),
                      format_size(static_cast<double>(report.dispenser.target))),
          ""};
}

}  // namespace

const char* to_string(Level level) {
  return level == Level::good ? "good" : level == Level::warning ? "warning" : "bad";
}

Verdict verdict_of(const NodeReport& report) {
  for (const auto& look : {of_node, of_supply, of_readiness, of_feeding, of_parts}) {
    if (auto found = look(report)) return *found;
  }
  return good(report);
}

}  // namespace qanat::observe
