#include "cli/help/manual.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/version.h"
#include "cli/help/text.h"

namespace qanat::cli::help {
namespace {

// Of the day on which the pages were last looked through.
constexpr std::string_view page_date = "2026-11-30";

// What roff takes for its own: backslashes, hyphens that are meant as such, quotes, and a dot or a
// quote at the beginning of a line.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      default:
        if (c == '.' && out.empty()) out += "\\&";
        out += c;
    }
  }
  return out;
}

std::string bold(std::string_view text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + roff(text) + "\\fR"; }

std::string part(std::string_view name, const std::string& text) {
  return fmt::format(".\\\" begin {}\n{}.\\\" end {}\n", name, text, name);
}

std::string dashed(std::string text) {
  std::replace(text.begin(), text.end(), ' ', '-');
  return text;
}

// "[--source SOURCE]...", which no line end tears apart (\~ is a blank that cannot be broken).
std::string synopsis_of(const Option& option) {
  const std::string& name = option.names.back();
  std::string text;
  if (name.starts_with('-')) {
    text = bold(name);
    if (!option.value.empty()) text += "\\~" + italic(option.value);
  } else {
    text = italic(name);
  }
  if (!option.required) text = "[" + text + "]";
  return text + (option.repeatable ? "...\\&" : "") + "\n";
}

void add_synopsis(const Command& command, std::string& text) {
  for (const Command& sub : command.commands) add_synopsis(sub, text);
  if (!command.commands.empty()) return;
  text += fmt::format(".SY \"{}\"\n", roff(command.words));
  for (const Option& argument : command.arguments) text += synopsis_of(argument);
  for (const Option& option : command.options) text += synopsis_of(option);
  text += ".YS\n";
}

std::string head(const Command& command) {
  const std::string name = dashed(command.words);
  std::string text = fmt::format(".TH {} 1 {} \"qanat {}\" \"User Commands\"\n.ad l\n.nh\n",
                                 roff(upper(name)), page_date, version());
  std::string summary = command.summary;
  const bool acronym = summary.size() > 1 && std::isupper(summary[1]) != 0;
  if (!summary.empty() && !acronym) {
    summary[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(summary[0])));
  }
  text += fmt::format(".SH NAME\n{} \\- {}\n.SH SYNOPSIS\n", roff(name), roff(summary));
  if (command.words == command.name && !command.commands.empty()) {
    text += fmt::format(".SY {}\n", roff(command.words));
    for (const Option& option : command.options) text += synopsis_of(option);
    return text + "\\fICOMMAND\\fR [\\fIARGUMENT\\fR]...\n.YS\n";
  }
  add_synopsis(command, text);
  return text;
}

std::string described(const std::string& term, const std::string& text) {
  return fmt::format(".TP\n{}\n{}\n", term, roff(text));
}

std::string term_of(const Option& option) {
  const bool argument = !option.names.front().starts_with('-');
  std::string term;
  for (const std::string& name : option.names) {
    term += (term.empty() ? "" : ", ") + (argument ? italic(name) : bold(name));
  }
  return argument || option.value.empty() ? term : term + " " + italic(option.value);
}

void add_options(const Command& command, std::string& text) {
  for (const Option& argument : command.arguments) {
    text += described(term_of(argument), argument.text);
  }
  for (const Option& option : command.options) {
    const bool must = option.required;
    text += described(term_of(option), option.text + (must ? " (required)" : ""));
  }
}

std::string notes(std::string_view all) {
  std::string text;
  bool headed = false;
  for (const Note& note : parse_notes(all)) {
    switch (note.kind) {
      case Note::Kind::heading:
        text += fmt::format(".SH \"{}\"\n", roff(upper(note.text)));
        break;
      case Note::Kind::paragraph:
        text += (headed ? "" : ".PP\n") + roff(note.text) + "\n";
        break;
      case Note::Kind::item:
        text += described(bold(note.term), note.text);
        break;
    }
    headed = note.kind == Note::Kind::heading;
  }
  return text;
}

std::string options(const Command& command) {
  std::string text = ".SH OPTIONS\n";
  if (command.commands.empty() || command.words == command.name) {
    add_options(command, text);
    // The program's own point to the pages: this is one.
    const bool page_of_all = !command.commands.empty();
    return text + (page_of_all ? "" : notes(command.notes));
  }
  for (const Command& sub : command.commands) {
    text += fmt::format(".SS \"{}\"\n{}.\n", roff(sub.words), roff(sub.summary));
    add_options(sub, text);
    text += notes(sub.notes);
  }
  return text + notes(command.notes);
}

std::string commands(const Command& program) {
  std::string text = ".SH COMMANDS\nEach has a page of its own.\n";
  for (const Command& command : program.commands) {
    text +=
        fmt::format(".TP\n.BR {} (1)\n{}.\n", roff(dashed(command.words)), roff(command.summary));
  }
  return text;
}

// Of a command that has others below it, theirs; the program's have pages of their own.
void add_examples(const Command& command, std::string& text) {
  if (command.words != command.name) {
    for (const Command& sub : command.commands) add_examples(sub, text);
    if (!command.commands.empty()) return;
  }
  for (const Example& example : command.examples) {
    text += fmt::format(".PP\n{}:\n.PP\n.RS 4\n.EX\n{}\n.EE\n.RE\n", roff(example.meaning),
                        roff(example.line));
  }
}

std::string examples(const Command& command) {
  std::string text;
  add_examples(command, text);
  return ".SH EXAMPLES\n" + text.substr(text.starts_with(".PP\n") ? 4 : 0);
}

}  // namespace

std::string manual_parts(const Command& command) {
  std::string text = part("head", head(command));
  if (command.words == command.name && !command.commands.empty()) {
    text += part("commands", commands(command));
  }
  return text + part("options", options(command)) + part("examples", examples(command));
}

}  // namespace qanat::cli::help
