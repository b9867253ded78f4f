#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/help/manual.h"
#include "cli/help/text.h"
#include "cli/rngnet.h"
#include "cli/usage.h"

namespace qanat::cli {
namespace {

// The command to which these words lead, from the program on.
const CLI::App& find_command(const CLI::App& program, const std::vector<std::string>& words) {
  const CLI::App* found = &program;
  for (const std::string& word : words) {
    const auto named =
        found->get_subcommands([&](const CLI::App* sub) { return sub->get_name() == word; });
    if (named.empty()) {
      throw UsageError(
          fmt::format("there is no command '{}'{}", word, meant_command(*found, word)));
    }
    found = named.front();
  }
  return *found;
}

}  // namespace

Run add_help(CLI::App& command) {
  auto words = std::make_shared<std::vector<std::string>>();
  command.add_option("command", *words, "The command, and one of its own (default: all)");
  return [words, &command] {
    fmt::print("{}", help::help_text(help::describe(find_command(*command.get_parent(), *words))));
    return 0;
  };
}

// For tools/make-pages; hidden.
Run add_manual(CLI::App& command) {
  auto words = std::make_shared<std::vector<std::string>>();
  command.group("");
  command.add_option("command", *words, "The command, or rngsend, or rngrecv");
  return [words, &command] {
    const bool rngnet = words->size() == 1 && find_rngnet_program(words->front());
    const help::Command described =
        rngnet ? describe_rngnet_program(words->front())
               : help::describe(find_command(*command.get_parent(), *words));
    fmt::print("{}", help::manual_parts(described));
    return 0;
  };
}

}  // namespace qanat::cli
