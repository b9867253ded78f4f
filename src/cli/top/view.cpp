#include "cli/top/view.h"

#include <fmt/core.h>

#include <algorithm>

#include "cli/top/sections.h"
#include "observe/fields.h"

namespace qanat::cli::top {

namespace {

void join(Lines& lines, Lines more) {
  lines.insert(lines.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
}

std::string role_of(const Seen& node) {
  return node.document ? observe::Fields(*node.document).part("node").text("role") : "node";
}

// With the node's role in it, where there are several.
Line rule(const Seen& node, std::size_t width) {
  const std::string head = fmt::format("-- {} ", role_of(node));
  return {{head + std::string(width > head.size() ? width - head.size() : 0, '-'), Style::faint}};
}

struct Parts {
  Lines head;  // stays
  Lines body;  // is scrolled
};

Parts parts_of(const std::vector<const Seen*>& nodes, const Choices& choices) {
  Parts parts;
  for (const Seen* const seen : nodes) {
    const Seen& node = *seen;
    const bool several = nodes.size() > 1;
    join(parts.head, verdict_lines(node, several ? role_of(node) + ": " : "", choices));
    if (!several) {
      join(parts.head, summary_lines(node, choices));
    } else {
      if (!parts.body.empty()) parts.body.emplace_back();
      parts.body.push_back(rule(node, choices.width));
      join(parts.body, summary_lines(node, choices));
      parts.body.emplace_back();
    }
    if (!choices.help) join(parts.body, body_lines(node, choices));
  }
  if (choices.help) parts.body = help_lines();
  // On a low screen most of the head is scrolled, too: something must be left for the body.
  const std::size_t most = std::max<std::size_t>(1, choices.height / 2);
  if (parts.head.size() > most) {
    const auto at = parts.head.begin() + static_cast<std::ptrdiff_t>(most);
    Lines rest(std::make_move_iterator(at), std::make_move_iterator(parts.head.end()));
    parts.head.erase(at, parts.head.end());
    rest.emplace_back();
    if (!choices.help) parts.body.insert(parts.body.begin(), rest.begin(), rest.end());
  } else if (parts.head.size() + 1 < most) {
    parts.head.emplace_back();
  }
  return parts;
}

bool any_clients(const std::vector<const Seen*>& nodes) {
  return std::any_of(nodes.begin(), nodes.end(), [](const Seen* node) {
    return node->document && !observe::Fields(*node->document).list("clients").empty();
  });
}

Line footer(const Choices& choices, bool clients, const Screen& screen, std::size_t lines) {
  std::string left = choices.help ? " q quit  ? back" : " q quit  ? help  p pause";
  if (choices.paused) left = " PAUSED: p goes on";
  if (clients && !choices.help && !choices.paused) {
    left += fmt::format("  n r t w g x sort: {}{}", order_name(choices.order),
                        choices.reversed ? " reversed" : "");
  }
  std::string right;
  if (lines > 0) {
    right = fmt::format("lines {}-{} of {} ", screen.scroll + 1,
                        std::min(lines, screen.scroll + screen.page), lines);
  }
  if (left.size() + 1 + right.size() > choices.width) left = choices.paused ? " PAUSED" : " q ? p";
  const std::size_t used = left.size() + right.size();
  const std::string gap(choices.width > used ? choices.width - used : 1, ' ');
  return {{left + gap + right, Style::title}};
}

}  // namespace

Lines help_lines() {
  Lines lines{{{"Keys", Style::title}}};
  for (const char* const line : {
           "  q            quit (and Ctrl-C); Ctrl-Z suspends",
           "  up, down     a line on (j, k); PgUp, PgDn (Space) a screen; Home, End",
           "  p            pause, and go on",
           "  ? or h       this page",
           "",
       }) {
    lines.push_back({{line}});
  }
  lines.push_back({{"Clients are sorted by (again: the other way round)", Style::title}});
  for (const char* const line : {
           "  n name       r rate now    t total drawn",
           "  w waiting    g guarantee   x refused",
           "  < and >      the one before, the next",
           "",
       }) {
    lines.push_back({{line}});
  }
  lines.push_back({{"Words", Style::title}});
  for (const char* const line : {
           "  h            claimed min-entropy, bits a byte; 0: the source is not credited",
           "  Est.         estimated, bits a byte: the lower of two estimates",
           "  Credited     entropy that entered the ledger, bytes a second",
           "  Full, DRBG   the two grades that are given out, bytes a second",
           "  Now          what a client drew in the last seconds",
           "  kept         a guarantee that is met; suspended: the sources bring too little",
           "  Pictures     the last 5 minutes, each up to its own greatest value; that of",
           "               the reserve up to the whole",
       }) {
    lines.push_back({{line}});
  }
  return lines;
}

Screen draw(const std::vector<const Seen*>& nodes, const Choices& choices) {
  Parts parts = parts_of(nodes, choices);
  const std::size_t height = choices.height;
  Screen screen;
  screen.lines = std::move(parts.head);
  const bool foot = height >= 3;
  const std::size_t used = screen.lines.size() + (foot ? 1 : 0);
  const std::size_t room = height > used ? height - used : 0;
  const std::size_t lines = parts.body.size();
  screen.page = std::max<std::size_t>(room, 1);
  screen.most_scroll = lines > room ? lines - room : 0;
  screen.scroll = std::min(choices.scroll, screen.most_scroll);
  for (std::size_t i = 0; i < room; ++i) {
    const std::size_t at = screen.scroll + i;
    screen.lines.push_back(at < lines ? std::move(parts.body[at]) : Line());
  }
  if (foot) screen.lines.push_back(footer(choices, any_clients(nodes), screen, lines));
  screen.lines.resize(height);
  for (Line& line : screen.lines) line = clipped(std::move(line), choices.width);
  return screen;
}

}  // namespace qanat::cli::top
