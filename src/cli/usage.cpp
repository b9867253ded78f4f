#include "cli/usage.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/suggest.h"
#include "cli/help/text.h"
#include "cli/help/tree.h"
#include "cli/output.h"
#include "sources/upstream/kept_join_strings.h"
#include "wire/join_string.h"

namespace qanat::cli {
namespace {

// The words that lead to the command that was named last: "qanat bench trickle".
const CLI::App& named_last(const CLI::App& app, std::string& words) {
  words += app.get_name();
  const auto named = app.get_subcommands();
  if (named.empty()) return app;
  words += ' ';
  return named_last(*named.back(), words);
}

// "; did you mean '--outlet'?", or nothing.
std::string meant_option(const help::Command& command, const std::string& wrong) {
  std::vector<std::string_view> known;
  for (const help::Option& option : command.options) {
    known.insert(known.end(), option.names.begin(), option.names.end());
  }
  return did_you_mean(wrong, known);
}

// What the parser does not know at the place where it stands.
std::string no_option(const CLI::App& app, std::string option) {
  option.resize(std::min(option.find('='), option.size()));
  const help::Command command = help::describe(app);
  for (const help::Option& own : command.options) {
    if (std::find(own.names.begin(), own.names.end(), option) == own.names.end()) continue;
    return fmt::format("{} belongs behind the command: {} {}{}{}", option, command.words, option,
                       own.value.empty() ? "" : " ", own.value);
  }
  return fmt::format("there is no option '{}' here{}", option, meant_option(command, option));
}

// "--threads two: write a number from 1 to 256", of "--threads: Value two not in range 1 to 256";
// empty for what is said otherwise.
std::string out_of_range(std::string_view problem) {
  constexpr std::string_view value = ": Value ";
  constexpr std::string_view range = " not in range ";
  constexpr std::string_view to = " to ";
  const std::size_t name_end = problem.find(value);
  const std::size_t value_end = problem.rfind(range);
  if (name_end == std::string_view::npos || value_end == std::string_view::npos) return "";
  const std::size_t value_begin = name_end + value.size();
  const std::string_view limits = problem.substr(value_end + range.size());
  const std::size_t middle = limits.find(to);
  if (value_begin > value_end || middle == std::string_view::npos) return "";
  return fmt::format("{} {}: write a number from {} to {}", problem.substr(0, name_end),
                     problem.substr(value_begin, value_end - value_begin),
                     help::plain_number(limits.substr(0, middle)),
                     help::plain_number(limits.substr(middle + to.size())));
}

// "--log xml: text or json", of "--log: xml not in {text,json}"; empty for what is said otherwise.
std::string none_of_words(std::string_view problem) {
  constexpr std::string_view list = " not in {";
  const std::size_t name_end = problem.find(": ");
  const std::size_t value_end = problem.rfind(list);
  if (name_end == std::string_view::npos || value_end == std::string_view::npos) return "";
  if (name_end + 2 > value_end || !problem.ends_with('}')) return "";
  std::string words(problem.substr(value_end + list.size()));
  words.pop_back();
  for (std::size_t at = words.find(','); at != std::string::npos; at = words.find(',')) {
    words.replace(at, 1, " or ");
  }
  return fmt::format("{} {}: {}", problem.substr(0, name_end),
                     problem.substr(name_end + 2, value_end - name_end - 2), words);
}

bool has_blank(std::string_view text) { return text.find(' ') != std::string_view::npos; }

// The parser's own messages, as a person would say them.
std::string plain_words(const CLI::App& command, std::string problem) {
  const auto before = [&problem](std::string_view what) {
    const auto at = problem.find(what);
    return at == std::string::npos ? std::string() : problem.substr(0, at);
  };
  constexpr std::string_view odd = "The following argument was not expected: ";
  constexpr std::string_view odd_ones = "The following arguments were not expected: ";
  for (const std::string_view words : {odd, odd_ones}) {
    if (!problem.starts_with(words)) continue;
    // An option that is not known is at fault, not the value that was meant for it.
    std::string rest = ' ' + problem.substr(words.size());
    if (const auto option = rest.find(" -"); option != std::string::npos) rest.erase(0, option);
    rest = rest.substr(1, rest.find(' ', 1) - 1);
    if (rest.starts_with('-')) return no_option(command, rest);
    if (sources::find_set_aside(rest) != std::string::npos) {
      return "a join string does not belong here";
    }
    return fmt::format("there is no argument '{}' here", rest);
  }
  if (const auto name = before(": 1 required "); !name.empty()) return name + " needs a value";
  if (const auto name = before(": At Most 1 required but received"); !name.empty()) {
    return name + " is given twice; give it once";
  }
  if (const auto name = before(" is required"); !name.empty() && !has_blank(name)) {
    return (name.starts_with('-') ? name : help::upper(name)) + " is missing";
  }
  if (std::string said = out_of_range(problem); !said.empty()) return said;
  if (std::string said = none_of_words(problem); !said.empty()) return said;
  return problem;
}

}  // namespace

std::string meant_command(const CLI::App& app, const std::string& wrong) {
  std::vector<std::string> names;
  for (const CLI::App* const sub : app.get_subcommands({})) {
    if (!sub->get_group().empty()) names.push_back(sub->get_name());
  }
  // What others do by themselves, the service manager does.
  for (const char* const word : {"start", "stop", "reload", "restart"}) {
    if (app.get_parent() != nullptr || wrong != word) continue;
    return fmt::format("; with systemd: systemctl {} qanat", word);
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  return did_you_mean(wrong, known);
}

int refuse_usage(const CLI::App& app, std::string problem) {
  std::string words;
  const CLI::App& command = named_last(app, words);
  const auto rest = app.remaining(true);
  if (command.get_require_subcommand_min() == 0) {
    problem = plain_words(command, std::move(problem));
  } else if (rest.empty()) {
    problem = "name a command";
  } else if (rest.front().starts_with('-')) {
    problem = no_option(command, rest.front());
  } else {
    problem = fmt::format("there is no command '{}'{}", rest.front(),
                          meant_command(command, rest.front()));
  }
  // What stands for it within this program helps nobody.
  if (sources::find_set_aside(problem) != std::string::npos) {
    problem = "a join string does not belong here";
  }
  const char* const more = command.get_name() == "help" ? "" : " --help";
  complain(fmt::format("{}: {}\nTry '{}{}'.", app.get_name(), wire::without_secrets(problem), words,
                       more));
  return 2;
}

}  // namespace qanat::cli
