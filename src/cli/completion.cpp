#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "base/suggest.h"
#include "cli/command.h"
#include "cli/help/completion.h"
#include "outlets/registry.h"
#include "sources/registry.h"

namespace qanat::cli {
namespace {

// Whether nothing must follow the type.
bool stands_alone(const std::string& outlet) {
  try {
    outlets::plan_outlet(outlet);
    return true;
  } catch (const Failure&) {
    return false;
  }
}

help::Names names_of_types() {
  help::Names names;
  for (const sources::TypeDescription& type : sources::describe_types()) {
    const bool must = !type.target.empty() && !type.target.starts_with('[');
    names.sources.push_back(type.name + (must ? ":" : ""));
  }
  names.sources.insert(names.sources.end(), {"https:", "http:"});
  for (const std::string_view type : outlets::type_names()) {
    names.outlets.push_back(std::string(type) + (stands_alone(std::string(type)) ? "" : ":"));
  }
  return names;
}

}  // namespace

Run add_completion(CLI::App& command) {
  auto shell = std::make_shared<std::string>();
  command.add_option("shell", *shell, "The shell that reads it")
      ->required()
      ->type_name("bash|zsh|fish");
  command.footer(
      "Prints a script that completes commands, options and their values. Installed packages have "
      "it in place already.");
  return [shell, &command] {
    const help::Command program = help::describe(*command.get_parent());
    const help::Names names = names_of_types();
    if (*shell == "bash") {
      fmt::print("{}", help::bash_completion(program, names));
    } else if (*shell == "zsh") {
      fmt::print("{}", help::zsh_completion(program, names));
    } else if (*shell == "fish") {
      fmt::print("{}", help::fish_completion(program, names));
    } else {
      constexpr std::array<std::string_view, 3> known{"bash", "zsh", "fish"};
      throw UsageError(
          fmt::format("there is no completion for '{}': known are bash, zsh and fish{}", *shell,
                      did_you_mean(*shell, known)));
    }
    return 0;
  };
}

}  // namespace qanat::cli
