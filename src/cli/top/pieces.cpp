#include "cli/top/pieces.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <ctime>

#include "base/quantity.h"
#include "cli/top/sparkline.h"

namespace qanat::cli::top {

using observe::Fields;

bool is_feed(const Fields& document) { return document.part("node").text("role") == "feed"; }

std::string time_of_day(double time) {
  return fmt::format("{:%H:%M:%S}", fmt::localtime(static_cast<std::time_t>(time)));
}

std::string rate_text(const std::optional<double>& rate) { return rate ? format_rate(*rate) : "-"; }

void say(Lines& lines, const Choices& choices, const Span& head, const std::string& text,
         Style style) {
  const std::size_t indent = columns(head.text);
  const std::size_t room = choices.width > indent ? choices.width - indent : 1;
  bool first = true;
  for (std::string& line : observe::wrap(text, room)) {
    lines.push_back({first ? head : Span{std::string(indent, ' ')}, {std::move(line), style}});
    first = false;
  }
}

Table::Picture picture(const Samples& samples, const Choices& choices, std::string kind,
                       std::string of) {
  return [&samples, &choices, kind = std::move(kind), of = std::move(of)](std::size_t width) {
    return sparkline(samples.means(kind, of, width, picture_time, choices.now), choices.utf8);
  };
}

}  // namespace qanat::cli::top
