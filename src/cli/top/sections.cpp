#include "cli/top/sections.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/quantity.h"
#include "cli/top/clients.h"
#include "cli/top/pieces.h"
#include "cli/top/sparkline.h"
#include "cli/top/table.h"
#include "observe/fields.h"

namespace qanat::cli::top {

using observe::Fields;

namespace {

Span state_of(const std::string& state) {
  if (state == "healthy") return {state, Style::good};
  return {state, state == "start-up" || state == "suspect" ? Style::warning : Style::bad};
}

Span count_of(double count, Style style) {
  return {fmt::format("{:.0f}", count), count > 0 ? style : Style::plain};
}

// The lower of both estimates: entropy is what the better guesser leaves.
std::string estimate_of(const Fields& source) {
  const Fields estimate = source.part("estimate");
  if (!estimate.has("most_common_value")) return "-";
  double least = estimate.number("most_common_value");
  if (estimate.has("markov")) least = std::min(least, estimate.number("markov"));
  return fmt::format("{:.2f}", least);
}

Lines source_notes(const Fields& source, const Choices& choices) {
  Lines notes;
  if (const std::string detail = source.text("detail"); !detail.empty()) {
    say(notes, choices, {"  "}, detail, Style::faint);
  }
  std::string failed;
  for (const auto& [test, count] : source.part("test_failures").counters()) {
    failed += fmt::format("{}{} {:.0f}", failed.empty() ? "" : ", ", test, count);
  }
  std::replace(failed.begin(), failed.end(), '_', ' ');
  if (!failed.empty()) say(notes, choices, {"  tests failed: "}, failed, Style::warning);
  return notes;
}

Lines source_lines(const Fields& document, const Samples& samples, const Choices& choices) {
  Table table("Source",
              {{"State", 8},
               {"Rate", 10},
               {"h", 4},
               {"Est.", 4},
               {"Credited", 10},
               {"Alarms", 6},
               {"Failed", 6, true},
               {"In all", 9, true},
               {"Last window", 11, true},
               {"Read", 9, true}},
              "5 min");
  const auto now = static_cast<double>(choices.clock);
  for (const Fields& s : document.list("sources")) {
    const std::string name = s.text("name");
    table.add({name,
               {state_of(s.text("state")),
                {format_rate(s.number("rate"))},
                {s.flag("credit") ? fmt::format("{:.2f}", s.number("h")) : "0"},
                {estimate_of(s)},
                {rate_text(samples.newest("source_credited", name))},
                count_of(s.number("alarms"), Style::bad),
                count_of(s.number("failures"), Style::bad),
                {format_size(s.part("ledger").number("credited") / 8)},
                {s.has("last_window") ? observe::ago(s.number("last_window"), now) : "-"},
                {format_size(s.number("bytes"))}},
               picture(samples, choices, "source_rate", name),
               source_notes(s, choices)});
  }
  return table.empty() ? Lines() : table.lines(choices.width);
}

Lines upstream_lines(const Fields& document, const Samples& samples, const Choices& choices) {
  Table table("Upstream",
              {{"State", 8},
               {"Got", 9},
               {"Credited", 9},
               {"h", 4},
               {"Alarms", 6},
               {"Failed", 6},
               {"Rate", 10, true}},
              "5 min");
  for (const Fields& s : document.list("sources")) {
    const std::string name = s.text("name");
    table.add({name,
               {state_of(s.text("state")),
                {format_size(s.number("bytes"))},
                {format_size(s.part("ledger").number("credited") / 8)},
                {s.flag("credit") ? fmt::format("{:.2f}", s.number("h")) : "0"},
                count_of(s.number("alarms"), Style::bad),
                count_of(s.number("failures"), Style::bad),
                {format_rate(s.number("rate"))}},
               picture(samples, choices, "source_rate", name),
               source_notes(s, choices)});
  }
  return table.empty() ? Lines() : table.lines(choices.width);
}

// Where it listens is its name, most often.
bool says_no_more(const std::string& name, std::string_view detail) {
  constexpr std::string_view listening = "listening on ";
  constexpr std::size_t seen_whole = 24;  // on the narrowest screen
  return detail.starts_with(listening) && name.size() <= seen_whole &&
         name.find(detail.substr(listening.size())) != std::string::npos;
}

// A problem if there is one; what it says of itself otherwise.
Lines outlet_notes(const Fields& outlet, const Choices& choices) {
  Lines notes;
  if (const std::string problem = outlet.text("problem"); !problem.empty()) {
    say(notes, choices, {"  "}, problem, Style::bad);
    return notes;
  }
  std::string words = outlet.text("detail");
  if (says_no_more(outlet.text("name"), words)) words.clear();
  if (const double next = outlet.part("schedule").number("next"); next > 0) {
    words += fmt::format("{}next {}", words.empty() ? "" : ", ",
                         observe::until(next, static_cast<double>(choices.clock)));
  }
  if (!words.empty()) say(notes, choices, {"  "}, words, Style::faint);
  return notes;
}

Lines outlet_lines(const Fields& document, const Samples& samples, const Choices& choices) {
  Table table("Outlet",
              {{"Open", 5},
               {"Full", 10},
               {"DRBG", 10},
               {"Waiting", 7},
               {"Refused", 7},
               {"Delivered", 9, true},
               {"Full in all", 11, true},
               {"DRBG in all", 11, true}},
              "5 min");
  for (const Fields& o : document.list("outlets")) {
    const std::string name = o.text("name");
    const auto both = [&samples, &choices, name](std::size_t width) {
      auto sum = samples.means("outlet_full", name, width, picture_time, choices.now);
      const auto drbg = samples.means("outlet_drbg", name, width, picture_time, choices.now);
      for (std::size_t i = 0; i < width; ++i) {
        if (drbg[i]) sum[i] = sum[i].value_or(0) + *drbg[i];
      }
      return sparkline(sum, choices.utf8);
    };
    table.add({name,
               {count_of(o.number("connections"), Style::plain),
                {rate_text(samples.newest("outlet_full", name))},
                {rate_text(samples.newest("outlet_drbg", name))},
                o.has("waiting_requests") ? count_of(o.number("waiting_requests"), Style::warning)
                                          : Span{"-"},
                count_of(observe::refusals(o), Style::plain),
                count_of(o.number("deliveries"), Style::plain),
                {format_size(o.number("full_bytes"))},
                {format_size(o.number("drbg_bytes"))}},
               both,
               outlet_notes(o, choices)});
  }
  return table.empty() ? Lines() : table.lines(choices.width);
}

// Of a feed: what it feeds, when it last did, and when it will again.
Lines fed_lines(const Fields& document, const Choices& choices) {
  Table table("Feeds", {{"Times", 6},
                        {"Full", 9},
                        {"DRBG", 9},
                        {"Last feed", 15},
                        {"Next feed", 15},
                        {"Failed", 6, true}});
  const auto now = static_cast<double>(choices.clock);
  for (const Fields& o : document.list("outlets")) {
    const Fields schedule = o.part("schedule");
    const auto when = [&](const char* key, const auto& words) {
      return schedule.has(key) ? words(schedule.number(key), now) : std::string("-");
    };
    table.add(
        {o.text("name"),
         {count_of(o.number("deliveries"), Style::plain),
          {format_size(o.number("full_bytes"))},
          {format_size(o.number("drbg_bytes"))},
          {when("last", observe::since)},
          {when("next", observe::until)},
          count_of(observe::refusals(o), Style::warning)},
         nullptr,
         schedule.has("last") && o.text("problem").empty() ? Lines() : outlet_notes(o, choices)});
  }
  return table.empty() ? Lines() : table.lines(choices.width);
}

Lines thread_lines(const Fields& document, const Choices& choices) {
  Lines lines;
  for (const Fields& thread : document.list("threads")) {
    const double still = thread.number("still");
    if (still <= 0) continue;
    say(lines, choices, {"Thread   ", Style::title},
        fmt::format("{} has not turned for {:.0f} s", thread.text("name"), still), Style::bad);
  }
  return lines;
}

Lines ledger_lines(const Fields& document, const Choices& choices) {
  const Fields ledger = document.part("ledger");
  const auto bytes = [&](const char* kind) { return format_size(ledger.number(kind) / 8); };
  Lines lines;
  say(lines, choices, {"Ledger   ", Style::title},
      fmt::format("{} credited = {} delivered + {} reseed + {} discarded + {} here",
                  bytes("credited"), bytes("delivered"), bytes("reseed"), bytes("discarded"),
                  bytes("reserve")));
  return lines;
}

// The newest first: these are seen without scrolling.
Lines event_lines(const Fields& document, const Choices& choices) {
  const auto events = document.list("events");
  if (events.empty()) return {};
  Lines lines{{{"Last events, the newest first", Style::title}}};
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    const bool alarm = event->flag("alarm");
    say(lines, choices,
        {fmt::format("{} {} ", time_of_day(event->number("time")), alarm ? "!" : " ")},
        fmt::format("{}: {}", observe::cut(event->text("subject"), 40), event->text("text")),
        alarm ? Style::bad : Style::plain);
  }
  return lines;
}

void append(Lines& lines, Lines section) {
  if (section.empty()) return;
  if (!lines.empty()) lines.emplace_back();
  lines.insert(lines.end(), std::make_move_iterator(section.begin()),
               std::make_move_iterator(section.end()));
}

}  // namespace

Lines body_lines(const Seen& node, const Choices& choices) {
  if (!node.document) return {};
  const Fields document(*node.document);
  Lines lines = thread_lines(document, choices);
  if (is_feed(document)) {
    append(lines, upstream_lines(document, node.samples, choices));
    append(lines, fed_lines(document, choices));
    append(lines, event_lines(document, choices));
    return lines;
  }
  append(lines, source_lines(document, node.samples, choices));
  append(lines, outlet_lines(document, node.samples, choices));
  append(lines, client_lines(document, node.samples, choices));
  append(lines, ledger_lines(document, choices));
  append(lines, event_lines(document, choices));
  return lines;
}

}  // namespace qanat::cli::top
