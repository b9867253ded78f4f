// How a node is, which one it is, its reserve and its rates.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/quantity.h"
#include "base/shown.h"
#include "cli/top/pieces.h"
#include "cli/top/sections.h"
#include "cli/top/sparkline.h"

namespace qanat::cli::top {

using observe::Fields;

namespace {

// "[####------]"
Span bar(double part, double whole, std::size_t width) {
  const double filled = whole > 0 ? std::clamp(part / whole, 0.0, 1.0) : 0;
  const auto full = static_cast<std::size_t>(std::round(filled * static_cast<double>(width)));
  return {fmt::format("[{}{}]", std::string(full, '#'), std::string(width - full, '-')),
          Style::bar};
}

Line reserve_line(const Fields& document, const Samples& samples, const Choices& choices) {
  const Fields reserve = document.part("reserve");
  const double bytes = reserve.number("bytes");
  const double target = reserve.number("target");
  const std::size_t wide = std::clamp<std::size_t>(choices.width / 4, 4, 40);
  Line line{{"Reserve  ", Style::title},
            bar(bytes, target, wide),
            {padded(fmt::format(" {} of {}", format_size(bytes), format_size(target)), 21, false)}};
  constexpr std::size_t least = 4;
  if (const std::size_t used = columns(line) + 1; choices.width >= used + least) {
    const std::size_t left = std::min<std::size_t>(choices.width - used, 100);
    line.push_back({" " + sparkline(samples.means("reserve", "", left, picture_time, choices.now),
                                    target, choices.utf8),
                    Style::bar});
  }
  return line;
}

// What came in and what went out, with a picture each.
Line flow_line(const Samples& samples, const Choices& choices) {
  Line line;
  const std::size_t half = std::min<std::size_t>(choices.width, 200) / 2;
  const auto add = [&](const char* head, const char* kind, std::size_t room) {
    const std::string rate = padded(rate_text(samples.newest(kind, "")), 10, true);
    line.push_back({head, Style::title});
    line.push_back({rate + " "});
    const std::size_t used = columns(head) + columns(rate) + 1;
    const std::size_t wide = room > used + 2 ? room - used - 2 : 0;
    line.push_back(
        {padded(sparkline(samples.means(kind, "", wide, picture_time, choices.now), choices.utf8),
                wide, false),
         Style::bar});
  };
  add("Credited ", "credited", half);
  line.push_back({"  "});
  add("Delivered ", "delivered", half + 2);
  return line;
}

Lines supply_lines(const Fields& document, const Choices& choices) {
  const Fields supply = document.part("supply");
  const Fields reserve = document.part("reserve");
  const double suspended = supply.number("suspended");
  const double waiting = reserve.number("waiting_requests");
  std::string text = fmt::format("{} proved, {} promised", format_rate(supply.number("proved")),
                                 format_rate(supply.number("promised")));
  if (suspended > 0) text += fmt::format(", {} suspended", format_rate(suspended));
  if (waiting > 0) {
    text +=
        fmt::format("; {:.0f} wait for {}", waiting, format_size(reserve.number("waiting_bytes")));
  } else {
    text += "; nobody waits";
  }
  Lines lines;
  say(lines, choices, {"Supply   ", Style::title}, text);
  return lines;
}

}  // namespace

Lines verdict_lines(const Seen& node, const std::string& of, const Choices& choices) {
  Lines lines;
  if (!node.problem.empty()) {
    const std::string why = shown(node.problem, node.problem.size());
    const std::string words = node.document
                                  ? fmt::format("no answer since {}: {}",
                                                time_of_day(static_cast<double>(node.since)), why)
                                  : why;
    say(lines, choices, {of + "Bad: ", Style::bad}, words, Style::bad);
    return lines;
  }
  if (!node.document) return {{{of + "Waiting for the node's first answer", Style::faint}}};
  const Fields document(*node.document);
  const Fields verdict = document.part("verdict");
  const std::string problem = document.part("node").text("problem");
  const bool ready = document.part("node").flag("ready");
  // A node of an earlier version gives no verdict.
  const std::string level = verdict.has("level")       ? verdict.text("level")
                            : ready && problem.empty() ? "good"
                                                       : "warning";
  const std::string text = verdict.has("text") ? verdict.text("text")
                           : !problem.empty()  ? problem
                           : ready             ? "the node is ready"
                                               : "the node is not ready";
  const Style style = level == "good"      ? Style::good
                      : level == "warning" ? Style::warning
                                           : Style::bad;
  const char* const word = level == "good" ? "Good: " : level == "warning" ? "Warning: " : "Bad: ";
  say(lines, choices, {of + word, style}, text, style == Style::good ? Style::plain : style);
  if (const std::string hint = verdict.text("hint"); !hint.empty()) {
    say(lines, choices, {"  "}, hint);
  }
  if (verdict.has("text") && !problem.empty() && problem != text) {
    say(lines, choices, {"Problem  ", Style::title}, problem, Style::warning);
  }
  return lines;
}

Lines summary_lines(const Seen& node, const Choices& choices) {
  if (!node.document) return {};
  const Fields document(*node.document);
  const Fields of = document.part("node");
  Lines lines;
  // A century is more than any node's, and less than a duration holds.
  constexpr double most_seconds = 3e9;
  const auto uptime = std::chrono::milliseconds(
      std::llround(std::clamp(of.number("uptime"), 0.0, most_seconds) * 1000));
  lines.push_back({{fmt::format("{} {}, qanat {}, up {}, {}", of.text("role"), of.text("id"),
                                of.text("version"), format_duration(uptime),
                                of.flag("ready") ? "ready" : "not ready")}});
  if (is_feed(document)) return lines;
  lines.push_back(reserve_line(document, node.samples, choices));
  const Lines supply = supply_lines(document, choices);
  lines.insert(lines.end(), supply.begin(), supply.end());
  lines.push_back(flow_line(node.samples, choices));
  const auto rate = [&](const char* kind) { return rate_text(node.samples.newest(kind, "")); };
  say(lines, choices, {"DRBG     ", Style::title},
      fmt::format("{} out, {} reseed it; {} discarded", rate("drbg"), rate("reseed"),
                  rate("discarded")));
  return lines;
}

}  // namespace qanat::cli::top
