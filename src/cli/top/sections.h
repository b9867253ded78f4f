// What is told of one node, in the order in which it stands on the screen.
#pragma once

#include <string>
#include <vector>

#include "cli/top/view.h"

namespace qanat::cli::top {

using Lines = std::vector<Line>;

// How it is, in a sentence, and what to do about it. `of`: whose verdict it is, where there are
// several.
Lines verdict_lines(const Seen& node, const std::string& of, const Choices& choices);
// Which one it is, and its reserve and rates.
Lines summary_lines(const Seen& node, const Choices& choices);
// Everything else: sources, outlets, clients, events.
Lines body_lines(const Seen& node, const Choices& choices);
// Of the whole.
Lines help_lines();
// What a client list is sorted by, in a word.
const char* order_name(Order order);

}  // namespace qanat::cli::top
