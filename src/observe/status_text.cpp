#include <fmt/chrono.h>
#include <fmt/core.h>

#include <boost/json.hpp>
#include <cmath>
#include <ctime>

#include "base/quantity.h"
#include "observe/status.h"

namespace qanat::observe {

namespace json = boost::json;

namespace {

constexpr std::size_t width = 80;

std::string text(const json::value& object, std::string_view key) {
  const auto* const found = object.as_object().if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

double number(const json::value& object, std::string_view key) {
  const auto* const found = object.as_object().if_contains(key);
  return found != nullptr && found->is_number() ? found->to_number<double>() : 0;
}

bool flag(const json::value& object, std::string_view key) {
  const auto* const found = object.as_object().if_contains(key);
  return found != nullptr && found->is_bool() && found->get_bool();
}

std::string bits(const json::value& object, std::string_view key) {
  return format_size(number(object, key) / 8);
}

// Cut in the middle, where names differ least.
std::string cut(const std::string& name, std::size_t limit) {
  if (name.size() <= limit) return name;
  const std::size_t half = (limit - 2) / 2;
  return name.substr(0, limit - 2 - half) + ".." + name.substr(name.size() - half);
}

std::string clip(std::string line) {
  if (line.size() > width) line = line.substr(0, width - 2) + "..";
  return line + "\n";
}

// Whole words, in as many lines as it takes.
std::string wrapped(const std::string& head, const std::string& text) {
  std::string out;
  std::string line = head;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (line.size() > head.size() && line.size() + 1 + end - at > width) {
      out += clip(line);
      line = std::string(head.size(), ' ');
    }
    if (line.size() > head.size()) line += ' ';
    line += text.substr(at, end - at);
    at = end + 1;
  }
  return out + clip(line);
}

std::string ago(double time) {
  if (time <= 0) return "never";
  const double passed = std::max(0.0, static_cast<double>(std::time(nullptr)) - time);
  if (passed < 1) return "now";
  return format_duration(std::chrono::seconds(static_cast<std::int64_t>(passed)));
}

std::string sources_text(const json::value& document) {
  std::string out = fmt::format("\n{:<26} {:<8} {:>12} {:>5} {:>10} {:>6} {:>6}\n", "Source",
                                "State", "Rate", "h", "Credited", "Alarms", "Failed");
  for (const json::value& s : document.at("sources").as_array()) {
    const bool credit = s.at("credit").as_bool();
    out +=
        fmt::format("{:<26} {:<8} {:>12} {:>5} {:>10} {:>6.0f} {:>6.0f}\n",
                    cut(text(s, "name"), 26), text(s, "state"), format_rate(number(s, "rate")),
                    credit ? fmt::format("{:.2f}", number(s, "h")) : "0",
                    bits(s.at("ledger"), "credited"), number(s, "alarms"), number(s, "failures"));
    if (!text(s, "detail").empty()) out += clip("  " + text(s, "detail"));
  }
  return out;
}

std::string outlets_text(const json::value& document) {
  std::string out = fmt::format("\n{:<30} {:>6} {:>11} {:>10} {:>10} {:>8}\n", "Outlet", "Open",
                                "Deliveries", "Full", "DRBG", "Refused");
  for (const json::value& o : document.at("outlets").as_array()) {
    double refused = 0;
    for (const auto& [reason, count] : o.at("refused").as_object()) {
      if (reason != "undelivered_bytes") refused += count.to_number<double>();
    }
    out += fmt::format("{:<30} {:>6.0f} {:>11.0f} {:>10} {:>10} {:>8.0f}\n",
                       cut(text(o, "name"), 30), number(o, "connections"), number(o, "deliveries"),
                       format_size(number(o, "full_bytes")), format_size(number(o, "drbg_bytes")),
                       refused);
    const std::string note = text(o, "problem").empty() ? text(o, "detail") : text(o, "problem");
    if (!note.empty()) out += clip("  " + note);
  }
  return out;
}

std::string events_text(const json::value& document) {
  constexpr std::size_t shown = 5;
  const json::array& events = document.at("events").as_array();
  if (events.empty()) return "";
  std::string out = "\nLast events\n";
  for (std::size_t i = events.size() - std::min(shown, events.size()); i < events.size(); ++i) {
    const auto time = static_cast<std::time_t>(number(events[i], "time"));
    out += clip(fmt::format("{:%H:%M:%S} {}{}: {}", fmt::localtime(time),
                            events[i].at("alarm").as_bool() ? "! " : "  ",
                            cut(text(events[i], "subject"), 26), text(events[i], "text")));
  }
  return out;
}

}  // namespace

std::string clients_text(const json::value& document) {
  std::string out =
      fmt::format("{:<16} {:>10} {:>6} {:>9} {:>9} {:>8} {:>7} {:>8}\n", "Client", "Promised",
                  "Weight", "1 min", "Total", "Waiting", "Refused", "Seen");
  bool suspended = false;
  for (const json::value& c : document.at("clients").as_array()) {
    const double rate = number(c, "rate");
    const bool held = flag(c, "suspended");
    suspended = suspended || held;
    out += fmt::format(
        "{:<16} {:>10} {:>6g} {:>9} {:>9} {:>8} {:>7.0f} {:>8}\n", cut(text(c, "name"), 16),
        rate > 0 ? format_rate(rate) + (held ? "!" : "") : "-", number(c, "weight"),
        format_size(number(c, "minute_bytes")),
        format_size(number(c, "full_bytes") + number(c, "drbg_bytes")),
        format_size(number(c, "waiting_bytes")), number(c, "refused"), ago(number(c, "last_seen")));
  }
  if (suspended) out += "! suspended: the sources do not deliver what was promised\n";
  return out;
}

std::string status_text(const json::value& document) {
  const json::value& node = document.at("node");
  const json::value& ledger = document.at("ledger");
  const json::value& reserve = document.at("reserve");
  std::string out = fmt::format(
      "{} {}, qanat {}, up {}, {}\n", text(node, "role"), text(node, "id"), text(node, "version"),
      format_duration(std::chrono::milliseconds(std::llround(number(node, "uptime") * 1000))),
      node.at("ready").as_bool() ? "ready" : "not ready");
  if (const std::string problem = text(node, "problem"); !problem.empty()) {
    out += wrapped("Problem  ", problem);
  }
  out += fmt::format("Reserve  {} of {}, {:.0f} waiting for {}\n",
                     format_size(number(reserve, "bytes")), format_size(number(reserve, "target")),
                     number(reserve, "waiting_requests"),
                     format_size(number(reserve, "waiting_bytes")));
  out += fmt::format("Ledger   {} credited = {} delivered + {} reseed\n", bits(ledger, "credited"),
                     bits(ledger, "delivered"), bits(ledger, "reseed"));
  out += fmt::format("         + {} discarded + {} here\n", bits(ledger, "discarded"),
                     bits(ledger, "reserve"));
  const json::value& supply = document.at("supply");
  out += fmt::format(
      "Supply   {} proved; {} promised{}\n", format_rate(number(supply, "proved")),
      format_rate(number(supply, "promised")),
      number(supply, "suspended") > 0
          ? fmt::format(", {} of that suspended", format_rate(number(supply, "suspended")))
          : "");
  out += sources_text(document) + outlets_text(document);
  if (!document.at("clients").as_array().empty()) out += "\n" + clients_text(document);
  return out + events_text(document);
}

}  // namespace qanat::observe
