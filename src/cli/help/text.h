// --help, within 80 columns; and how notes are written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/help/tree.h"

namespace qanat::cli::help {

std::string help_text(const Command& command);

// Notes are paragraphs and lists. A paragraph may be broken anywhere; an empty line, or what is
// not a paragraph, ends it. A line that ends with ':' is the head of a list, whose items are
// indented: a term, two blanks or more, and what is to be said of it.
struct Note {
  enum class Kind { paragraph, heading, item };
  Kind kind = Kind::paragraph;
  std::string text;  // of a heading without its ':'
  std::string term;  // of an item
};
std::vector<Note> parse_notes(std::string_view notes);

// "File" -> "FILE", in ASCII.
std::string upper(std::string text);

}  // namespace qanat::cli::help
