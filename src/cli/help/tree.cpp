#include "cli/help/tree.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <utility>

#include "base/quantity.h"
#include "cli/help/text.h"

namespace qanat::cli::help {
namespace {

// What an option takes where its command says nothing else: options of one name take the same.
constexpr std::array usual_values{
    std::pair{"--address", "HOST:PORT"}, std::pair{"--burst", "SIZE"},
    std::pair{"--bytes", "SIZE"},        std::pair{"--clients", "N"},
    std::pair{"--config", "FILE"},       std::pair{"--every", "TIME"},
    std::pair{"--for", "TIME"},          std::pair{"--format", "raw|hex|base64"},
    std::pair{"--from", "UPSTREAM"},     std::pair{"--grade", "full|drbg"},
    std::pair{"--keyring", "FILE"},      std::pair{"--master-key", "FILE"},
    std::pair{"--on-reseed", "CMD"},     std::pair{"--outlet", "OUTLET"},
    std::pair{"--output", "FILE"},       std::pair{"--quorum", "N"},
    std::pair{"--rate", "RATE"},         std::pair{"--restarts", "N"},
    std::pair{"--samples", "N"},         std::pair{"--serial", "NUMBER"},
    std::pair{"--source", "SOURCE"},     std::pair{"--state", "DIR"},
    std::pair{"--threads", "N"},         std::pair{"--wait", "TIME"},
    std::pair{"--weight", "N"},          std::pair{"bytes", "SIZE"},
    std::pair{"hub", "UPSTREAM"},
};

// The parser's word for a value is its type, and behind it what is checked: "TEXT:{text,json}",
// "UINT:UINT in [1 - 16]".
struct Type {
  std::string name;
  std::string check;
};

Type type_of(const CLI::Option& option) {
  const std::string all = option.get_type_name();
  // A name of ours may have a colon in it: "HOST:PORT".
  const std::size_t check = std::min(all.find(":{"), all.find(":UINT in ["));
  const std::size_t end = std::min({check, all.find(":INT in ["), all.find(":FLOAT in [")});
  if (end == std::string::npos) return {all, ""};
  return {all.substr(0, end), all.substr(end + 1)};
}

bool is_parsers_own(std::string_view type) {
  return type == "TEXT" || type == "UINT" || type == "INT" || type == "FLOAT";
}

std::string value_of(const CLI::Option& option, const std::string& name) {
  if (option.get_type_size() == 0) return "";
  const Type type = type_of(option);
  if (!is_parsers_own(type.name)) return type.name;
  if (type.check.starts_with('{')) {
    std::string choices = type.check.substr(1, type.check.size() - 2);
    std::replace(choices.begin(), choices.end(), ',', '|');
    return choices;
  }
  const auto* const usual = std::find_if(usual_values.begin(), usual_values.end(),
                                         [&](const auto& each) { return each.first == name; });
  if (usual != usual_values.end()) return usual->second;
  return name.starts_with('-') ? type.name : upper(name);
}

// "1 to 16"; empty where no range is checked.
std::string range_of(const CLI::Option& option) {
  const std::string check = type_of(option).check;
  const std::size_t begin = check.find('[');
  const std::size_t middle = check.find(" - ");
  if (begin == std::string::npos || middle == std::string::npos) return "";
  const std::string_view all = check;
  return fmt::format("{} to {}", plain_number(all.substr(begin + 1, middle - begin - 1)),
                     plain_number(all.substr(middle + 3, all.size() - middle - 4)));
}

Option describe_option(const CLI::Option& option) {
  Option found;
  const bool argument = option.get_positional();
  const std::string name = option.get_name(argument, false);
  if (argument) {
    found.names.push_back(upper(name));
  } else {
    for (const std::string& letter : option.get_snames()) found.names.push_back("-" + letter);
    for (const std::string& word : option.get_lnames()) found.names.push_back("--" + word);
  }
  found.value = value_of(option, argument ? name : found.names.back());
  found.text = option.get_description();
  if (const std::string range = range_of(option); !range.empty()) {
    const bool more = found.text.ends_with(')');
    if (more) found.text.pop_back();
    found.text += (more ? "; " : " (") + range + ")";
  }
  found.required = option.get_required();
  found.repeatable = option.get_type_size() != 0 &&
                     option.get_expected_max() >= CLI::detail::expected_max_vector_size;
  return found;
}

Command describe_below(const CLI::App& app, std::string words, const std::vector<Option>& common) {
  Command command;
  command.name = app.get_name();
  command.words = std::move(words);
  command.summary = app.get_description();
  command.notes = app.get_footer();
  command.examples = examples_of(command.words);
  const auto options =
      app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
  const CLI::Option* const help = app.get_help_ptr();
  for (const CLI::Option* option : options) {
    if (option == help) continue;
    (option->get_positional() ? command.arguments : command.options)
        .push_back(describe_option(*option));
  }
  command.options.insert(command.options.end(), common.begin(), common.end());
  if (help != nullptr) command.options.push_back(describe_option(*help));
  std::vector<Option> below = common;
  if (app.get_parent() == nullptr) {
    for (const CLI::Option* option : options) {
      const bool global = option != help && option != app.get_version_ptr();
      if (global && !option->get_positional()) below.push_back(describe_option(*option));
    }
  }
  for (const CLI::App* sub : app.get_subcommands({})) {
    if (sub->get_group().empty()) continue;
    command.commands.push_back(describe_below(*sub, command.words + " " + sub->get_name(), below));
  }
  return command;
}

// The one that was asked for, in the tree of the whole.
const Command* find(const Command& command, std::string_view words) {
  if (command.words == words) return &command;
  for (const Command& sub : command.commands) {
    if (const Command* const found = find(sub, words)) return found;
  }
  return nullptr;
}

}  // namespace

void use_for(CLI::App& app) {
  app.formatter(std::make_shared<CLI::FormatterLambda>(
      [](const CLI::App* asked, const std::string&, CLI::AppFormatMode) {
        return help_text(describe(*asked));
      }));
  app.set_help_flag("-h,--help", "Print help, and exit");
}

Command describe(const CLI::App& app) {
  const CLI::App* root = &app;
  std::string words = app.get_name();
  while (root->get_parent() != nullptr) {
    root = root->get_parent();
    words.insert(0, root->get_name() + " ");
  }
  const Command all = describe_below(*root, root->get_name(), {});
  const Command* const found = find(all, words);
  // A hidden command has no place in it.
  return found != nullptr ? *found : describe_below(app, words, {});
}

std::string plain_number(std::string_view text) {
  return fmt::format("{:.12g}", parse_number<double>(text).value_or(0));
}

std::vector<std::string> choices_of(std::string_view value) {
  std::vector<std::string> choices;
  if (value.find('|') == std::string_view::npos) return choices;
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t end = std::min(value.find('|', begin), value.size());
    choices.emplace_back(value.substr(begin, end - begin));
    begin = end + 1;
  }
  return choices;
}

std::string usage_of(const Option& option) {
  std::string text;
  for (const std::string& name : option.names) text += (text.empty() ? "" : ", ") + name;
  if (option.names.front().starts_with('-') && !option.value.empty()) text += " " + option.value;
  return text;
}

}  // namespace qanat::cli::help
