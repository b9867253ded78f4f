#include "cli/help/text.h"

#include <fmt/core.h>

#include <algorithm>

namespace qanat::cli::help {
namespace {

constexpr std::size_t width = 80;
constexpr std::size_t most_term = 24;  // a longer one has a line of its own
constexpr std::size_t indent = 2;

// `text`, broken at blanks: its first line goes on behind `first`, the others begin at `column`.
std::string wrapped(std::string_view text, std::string first, std::size_t column) {
  std::string out;
  std::string line = std::move(first);
  bool empty = true;  // nothing of the text is in this line
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    if (!empty && line.size() + 1 + word.size() > width) {
      out += line + '\n';
      line.assign(column, ' ');
      empty = true;
    }
    if (!empty) line += ' ';
    line += word;
    empty = false;
  }
  return out + line + '\n';
}

// "  TERM      text"
std::string item(std::string_view term, std::string_view text, std::size_t column) {
  std::string first = std::string(indent, ' ') + std::string(term);
  if (text.empty()) return first + '\n';
  if (first.size() + indent > column) {
    return first + '\n' + wrapped(text, std::string(column, ' '), column);
  }
  first.resize(column, ' ');
  return wrapped(text, first, column);
}

// Where the texts behind these terms begin.
template <typename Items, typename Term>
std::size_t column_for(const Items& items, const Term& term) {
  std::size_t longest = 0;
  for (const auto& each : items) {
    if (const std::size_t size = term(each).size(); size <= most_term) {
      longest = std::max(longest, size);
    }
  }
  return indent + longest + indent;
}

std::string capitals(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string usage_line(const Command& command) {
  std::string text = command.words + " [OPTIONS]";
  for (const Option& argument : command.arguments) {
    const std::string name = argument.names.front() + (argument.repeatable ? "..." : "");
    text += argument.required ? " " + name : " [" + name + "]";
  }
  if (!command.commands.empty()) text += " COMMAND";
  return "Usage: " + text + "\n";
}

std::string options_text(const char* title, const std::vector<Option>& options) {
  if (options.empty()) return "";
  const std::size_t column = column_for(options, usage_of);
  std::string text = fmt::format("\n{}:\n", title);
  for (const Option& option : options) {
    const bool must = option.required && option.names.front().starts_with('-');
    text += item(usage_of(option), option.text + (must ? " (required)" : ""), column);
  }
  return text;
}

std::string notes_text(std::string_view notes) {
  const auto all = parse_notes(notes);
  const std::size_t column = column_for(all, [](const Note& note) { return note.term; });
  std::string text;
  bool headed = false;
  for (const Note& note : all) {
    switch (note.kind) {
      case Note::Kind::paragraph:
        text += (headed ? "" : "\n") + wrapped(note.text, "", 0);
        break;
      case Note::Kind::heading:
        text += '\n' + wrapped(capitals(note.text) + ":", "", 0);
        break;
      case Note::Kind::item:
        text += item(note.term, note.text, column);
        break;
    }
    headed = note.kind == Note::Kind::heading;
  }
  return text;
}

}  // namespace

std::vector<Note> parse_notes(std::string_view notes) {
  std::vector<Note> all;
  bool goes_on = false;
  while (!notes.empty()) {
    const std::size_t end = std::min(notes.find('\n'), notes.size());
    std::string_view line = notes.substr(0, end);
    notes.remove_prefix(std::min(end + 1, notes.size()));
    if (line.starts_with(' ')) {
      line.remove_prefix(line.find_first_not_of(' '));
      const std::size_t gap = std::min(line.find("  "), line.size());
      std::string_view text = line.substr(gap);
      text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
      all.push_back({Note::Kind::item, std::string(text), std::string(line.substr(0, gap))});
      goes_on = false;
    } else if (line.ends_with(':') && !goes_on) {
      line.remove_suffix(1);
      all.push_back({Note::Kind::heading, std::string(line), {}});
    } else if (line.empty()) {
      goes_on = false;
    } else if (goes_on) {
      all.back().text += " " + std::string(line);
    } else {
      all.push_back({Note::Kind::paragraph, std::string(line), {}});
      goes_on = true;
    }
  }
  return all;
}

std::string help_text(const Command& command) {
  std::string text = wrapped(command.summary, "", 0) + "\n" + usage_line(command);
  text += options_text("ARGUMENTS", command.arguments);
  if (!command.commands.empty()) {
    text += "\nCOMMANDS:\n";
    const std::size_t column =
        column_for(command.commands, [](const Command& sub) { return sub.name; });
    for (const Command& sub : command.commands) text += item(sub.name, sub.summary, column);
  }
  text += options_text("OPTIONS", command.options);
  text += notes_text(command.notes);
  if (command.examples.empty()) return text;
  text += "\nEXAMPLES:\n";
  for (const Example& example : command.examples) {
    text += wrapped(example.meaning, "  # ", 4);
    text += fmt::format("  {}\n", example.line);
  }
  return text;
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

}  // namespace qanat::cli::help
