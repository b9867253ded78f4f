#include <fmt/chrono.h>
#include <fmt/core.h>

#include <boost/json.hpp>
#include <cmath>
#include <ctime>

#include "base/quantity.h"
#include "observe/fields.h"
#include "observe/status.h"

namespace qanat::observe {

namespace json = boost::json;

namespace {

constexpr std::size_t width = 80;

std::string clip(std::string line) {
  if (line.size() > width) line = line.substr(0, width - 2) + "..";
  return line + "\n";
}

// Whole, in as many lines as it takes; those after the first begin where its text does.
std::string wrapped(const std::string& head, const std::string& text) {
  std::string out;
  std::string begin = head;
  for (const std::string& line : wrap(text, width - head.size())) {
    out += begin + line + "\n";
    begin = std::string(head.size(), ' ');
  }
  return out;
}

std::string bytes_of(const Fields& ledger, std::string_view kind) {
  return format_size(ledger.number(kind) / 8);
}

std::string claim_of(const Fields& source) {
  return source.flag("credit") ? fmt::format("{:.2f}", source.number("h")) : "0";
}

std::string sources_text(const Fields& document) {
  std::string out = fmt::format("\n{:<26} {:<8} {:>12} {:>5} {:>10} {:>6} {:>6}\n", "Source",
                                "State", "Rate", "h", "Credited", "Alarms", "Failed");
  for (const Fields& s : document.list("sources")) {
    out += fmt::format("{:<26} {:<8} {:>12} {:>5} {:>10} {:>6.0f} {:>6.0f}\n",
                       cut(s.text("name"), 26), s.text("state"), format_rate(s.number("rate")),
                       claim_of(s), bytes_of(s.part("ledger"), "credited"), s.number("alarms"),
                       s.number("failures"));
    // Its end says what to do.
    if (!s.text("detail").empty()) out += wrapped("  ", s.text("detail"));
  }
  return out;
}

std::string outlet_note(const Fields& outlet) {
  const std::string problem = outlet.text("problem");
  const std::string note = problem.empty() ? outlet.text("detail") : problem;
  return note.empty() ? "" : wrapped("  ", note);
}

std::string outlets_text(const Fields& document) {
  std::string out = fmt::format("\n{:<30} {:>6} {:>11} {:>10} {:>10} {:>8}\n", "Outlet", "Open",
                                "Deliveries", "Full", "DRBG", "Refused");
  for (const Fields& o : document.list("outlets")) {
    out += fmt::format("{:<30} {:>6.0f} {:>11.0f} {:>10} {:>10} {:>8.0f}\n",
                       cut(o.text("name"), 30), o.number("connections"), o.number("deliveries"),
                       format_size(o.number("full_bytes")), format_size(o.number("drbg_bytes")),
                       refusals(o));
    out += outlet_note(o);
  }
  return out;
}

// A feed has no reserve, gives nobody a guarantee and is drawn from by nobody: who it asks, and
// whom it feeds.
std::string upstreams_text(const Fields& document) {
  std::string out = fmt::format("\n{:<36} {:<8} {:>10} {:>10} {:>5} {:>6}\n", "Upstream", "State",
                                "Got", "Credited", "h", "Failed");
  for (const Fields& s : document.list("sources")) {
    out += fmt::format("{:<36} {:<8} {:>10} {:>10} {:>5} {:>6.0f}\n", cut(s.text("name"), 36),
                       s.text("state"), format_size(s.number("bytes")),
                       bytes_of(s.part("ledger"), "credited"), claim_of(s), s.number("failures"));
    if (!s.text("detail").empty()) out += clip("  " + s.text("detail"));
  }
  return out;
}

// Of each outlet that a feed feeds: "kernel: last fed 2 s ago, credited 512 bits, next in 58 s".
std::vector<std::string> fed_lines(const Fields& document) {
  const auto now = static_cast<double>(std::time(nullptr));
  std::vector<std::string> lines;
  for (const Fields& o : document.list("outlets")) {
    const Fields schedule = o.part("schedule");
    if (!schedule.has("last")) continue;
    std::string line = cut(o.text("name"), 30) + ": ";
    line += schedule.number("last") == 0 ? "not fed yet"
                                         : "last fed " + since(schedule.number("last"), now);
    if (schedule.has("credited_bits") && schedule.number("last") != 0) {
      line += fmt::format(", credited {:.0f} bits", schedule.number("credited_bits"));
    }
    if (schedule.number("next") != 0) line += ", next " + until(schedule.number("next"), now);
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string fed_text(const Fields& document) {
  const auto now = static_cast<double>(std::time(nullptr));
  std::string out = fmt::format("\n{:<22} {:>6} {:>9} {:>9} {:>15} {:>14}\n", "Feeds", "Times",
                                "Full", "DRBG", "Last feed", "Next feed");
  for (const Fields& o : document.list("outlets")) {
    const Fields schedule = o.part("schedule");
    // A node of an earlier version says it in its detail alone.
    const auto when = [&](const char* key, const auto& words) {
      return schedule.has(key) ? words(schedule.number(key), now) : std::string("-");
    };
    out +=
        fmt::format("{:<22} {:>6.0f} {:>9} {:>9} {:>15} {:>14}\n", cut(o.text("name"), 22),
                    o.number("deliveries"), format_size(o.number("full_bytes")),
                    format_size(o.number("drbg_bytes")), when("last", since), when("next", until));
    if (!schedule.has("last") || !o.text("problem").empty()) out += outlet_note(o);
  }
  return out;
}

std::string events_text(const Fields& document) {
  constexpr std::size_t shown = 5;
  const auto events = document.list("events");
  if (events.empty()) return "";
  std::string out = "\nLast events\n";
  for (std::size_t i = events.size() - std::min(shown, events.size()); i < events.size(); ++i) {
    const auto time = static_cast<std::time_t>(events[i].number("time"));
    out += clip(fmt::format("{:%H:%M:%S} {}{}: {}", fmt::localtime(time),
                            events[i].flag("alarm") ? "! " : "  ",
                            cut(events[i].text("subject"), 26), events[i].text("text")));
  }
  return out;
}

// How it is and what to do, where the node says so; which one it is.
std::string head_text(const Fields& document) {
  const Fields node = document.part("node");
  const Fields verdict = document.part("verdict");
  std::string out;
  if (verdict.has("text")) {
    std::string level = verdict.text("level");
    if (!level.empty() && level[0] >= 'a' && level[0] <= 'z') {
      level[0] = static_cast<char>(level[0] - 'a' + 'A');
    }
    out += wrapped(level + ": ", verdict.text("text"));
    if (!verdict.text("hint").empty()) out += wrapped("  ", verdict.text("hint"));
  }
  out += fmt::format(
      "{} {}, qanat {}, up {}, {}\n", node.text("role"), node.text("id"), node.text("version"),
      format_duration(std::chrono::milliseconds(std::llround(node.number("uptime") * 1000))),
      node.flag("ready") ? "ready" : "not ready");
  // For ?pin= in another node's URL of this one.
  if (!node.text("pin").empty()) out += fmt::format("Pin      {}\n", node.text("pin"));
  const std::string problem = node.text("problem");
  if (!problem.empty() && problem != verdict.text("text")) out += wrapped("Problem  ", problem);
  return out;
}

std::string reserve_text(const Fields& document) {
  const Fields ledger = document.part("ledger");
  const Fields reserve = document.part("reserve");
  const Fields supply = document.part("supply");
  std::string out =
      fmt::format("Reserve  {} of {}, {:.0f} waiting for {}\n",
                  format_size(reserve.number("bytes")), format_size(reserve.number("target")),
                  reserve.number("waiting_requests"), format_size(reserve.number("waiting_bytes")));
  out +=
      fmt::format("Ledger   {} credited = {} delivered + {} reseed\n", bytes_of(ledger, "credited"),
                  bytes_of(ledger, "delivered"), bytes_of(ledger, "reseed"));
  out += fmt::format("         + {} discarded + {} here\n", bytes_of(ledger, "discarded"),
                     bytes_of(ledger, "reserve"));
  out += fmt::format(
      "Supply   {} proved; {} promised{}\n", format_rate(supply.number("proved")),
      format_rate(supply.number("promised")),
      supply.number("suspended") > 0
          ? fmt::format(", {} of that suspended", format_rate(supply.number("suspended")))
          : "");
  return out;
}

std::string clients_of(const Fields& document) {
  std::string out =
      fmt::format("{:<16} {:>10} {:>6} {:>9} {:>9} {:>8} {:>7} {:>8}\n", "Client", "Promised",
                  "Weight", "1 min", "Total", "Waiting", "Refused", "Seen");
  const auto now = static_cast<double>(std::time(nullptr));
  bool suspended = false;
  for (const Fields& c : document.list("clients")) {
    const double rate = c.number("rate");
    const bool held = c.flag("suspended");
    suspended = suspended || held;
    out +=
        fmt::format("{:<16} {:>10} {:>6g} {:>9} {:>9} {:>8} {:>7.0f} {:>8}\n",
                    cut(c.text("name"), 16), rate > 0 ? format_rate(rate) + (held ? "!" : "") : "-",
                    c.number("weight"), format_size(c.number("minute_bytes")),
                    format_size(c.number("full_bytes") + c.number("drbg_bytes")),
                    format_size(c.number("waiting_bytes")), c.number("refused"),
                    ago(c.number("last_seen"), now));
  }
  if (suspended) out += "! suspended: the sources do not deliver what was promised\n";
  return out;
}

}  // namespace

std::string clients_text(const json::value& value) {
  const Fields document(value);
  std::string out = clients_of(document);
  const std::vector<Fields> observers = document.list("observers");
  if (observers.empty()) return out;
  const auto now = static_cast<double>(std::time(nullptr));
  out += "\nObservers, who see all and draw nothing\n";
  for (const Fields& observer : observers) {
    out += fmt::format("  {:<30} seen {}\n", cut(observer.text("name"), 30),
                       ago(observer.number("last_seen"), now));
  }
  return out;
}

StatusLine status_line(const json::value& value) {
  const Fields document(value);
  const Fields verdict = document.part("verdict");
  std::string said = verdict.text("text");
  if (said.ends_with('.')) said.pop_back();
  const std::string level = verdict.text("level");
  if (level == "warning") return {Verdict::Level::warning, "WARNING: " + said};
  if (level == "bad") return {Verdict::Level::bad, "FAILED: " + said};
  std::string out = "OK";
  if (document.part("node").text("role") == "feed") {
    for (const std::string& line : fed_lines(document)) out += (out == "OK" ? ": " : "; ") + line;
    return {Verdict::Level::good, out};
  }
  std::size_t healthy = 0;
  for (const Fields& source : document.list("sources")) {
    if (source.text("state") == "healthy" && source.flag("credit")) ++healthy;
  }
  const std::size_t clients = document.list("clients").size();
  out += fmt::format(": {} source{} healthy, reserve {}, {} client{}", healthy,
                     healthy == 1 ? "" : "s", format_size(document.part("reserve").number("bytes")),
                     clients, clients == 1 ? "" : "s");
  return {Verdict::Level::good, out};
}

std::string status_text(const json::value& value) {
  const Fields document(value);
  std::string out = head_text(document);
  if (document.part("node").text("role") == "feed") {
    // What its user wants to know first.
    std::string fed;
    for (const std::string& line : fed_lines(document)) fed += wrapped("", line);
    return fed + out + upstreams_text(document) + fed_text(document) + events_text(document);
  }
  out += reserve_text(document) + sources_text(document) + outlets_text(document);
  if (!document.list("clients").empty()) out += "\n" + clients_of(document);
  return out + events_text(document);
}

}  // namespace qanat::observe
