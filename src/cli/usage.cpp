#include "cli/usage.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <vector>

#include "base/suggest.h"
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
std::string meant_option(const CLI::App& command, const std::string& wrong) {
  const help::Command described = help::describe(command);
  std::vector<std::string_view> known;
  for (const help::Option& option : described.options) {
    known.insert(known.end(), option.names.begin(), option.names.end());
  }
  return did_you_mean(wrong, known);
}

std::string no_option(const CLI::App& command, std::string option) {
  option.resize(std::min(option.find('='), option.size()));
  return fmt::format("there is no option '{}' here{}", option, meant_option(command, option));
}

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
  return problem;
}

}  // namespace

std::string meant_command(const CLI::App& app, const std::string& wrong) {
  std::vector<std::string> names;
  for (const CLI::App* const sub : app.get_subcommands({})) {
    if (!sub->get_group().empty()) names.push_back(sub->get_name());
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
  complain(fmt::format("{}: {}\nTry '{} --help'.", app.get_name(), wire::without_secrets(problem),
                       words));
  return 2;
}

}  // namespace qanat::cli
