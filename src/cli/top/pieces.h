// What the sections have in common.
#pragma once

#include <optional>
#include <string>

#include "cli/top/sections.h"
#include "cli/top/table.h"
#include "observe/fields.h"

namespace qanat::cli::top {

// What the pictures show.
inline constexpr double picture_time = 300;  // seconds

bool is_feed(const observe::Fields& document);
// "12:03:04", of seconds since 1970.
std::string time_of_day(double time);
// "-" while it is not known.
std::string rate_text(const std::optional<double>& rate);
// Whole, in as many lines as it takes; those after the first begin where its text does.
void say(Lines& lines, const Choices& choices, const Span& head, const std::string& text,
         Style style = Style::plain);
// Of what /v1/history calls `kind` and `of`. Refers to its arguments.
Table::Picture picture(const Samples& samples, const Choices& choices, std::string kind,
                       std::string of);

}  // namespace qanat::cli::top
