// The commands with all that they take, read from the parser's own tree: what --help, the manual
// pages and the completions of shells are made of, so that none of them can say something else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace qanat::cli::help {

struct Option {
  std::vector<std::string> names;  // "-h", "--help"; of an argument one, in capitals: "NAME"
  std::string value;  // what follows it: "FILE", "full|drbg"; empty: nothing. Of an argument: the
                      // kind of value that it is
  std::string text;   // for people
  bool required = false;
  bool repeatable = false;
};

struct Example {
  std::string_view meaning;
  std::string_view line;  // as it is typed
};

struct Command {
  std::string name;   // "trickle"
  std::string words;  // "qanat bench trickle"
  std::string summary;
  std::string notes;  // text.h says how they are written
  std::vector<Option> arguments;
  std::vector<Option> options;
  std::vector<Command> commands;
  std::vector<Example> examples;
};

// What is in no group is hidden. `app` is the program, or a command below it.
Command describe(const CLI::App& app);

// Makes --help of `app`, and of what is added to it from then on, what text.h makes of its tree.
void use_for(CLI::App& app);

// Of a command, by the words that lead to it. examples.cpp.
std::vector<Example> examples_of(std::string_view words);

// Kinds of values that others complete, too: what an option takes is told by its `value` alone.
inline constexpr std::string_view file_value = "FILE";
inline constexpr std::string_view directory_value = "DIR";
inline constexpr std::string_view device_value = "DEVICE";
inline constexpr std::string_view source_value = "SOURCE";
inline constexpr std::string_view outlet_value = "OUTLET";
inline constexpr std::string_view upstream_value = "UPSTREAM";
inline constexpr std::string_view command_value = "COMMAND";

// "0.001000" as people write it: "0.001".
std::string plain_number(std::string_view text);
// "full|drbg" is full or drbg; empty where the value is none of a few words.
std::vector<std::string> choices_of(std::string_view value);
// "--config FILE"; of several names the last: "-h, --help".
std::string usage_of(const Option& option);

}  // namespace qanat::cli::help
