#include "cli/help/completion.h"

#include <fmt/core.h>

#include <functional>

namespace qanat::cli::help {
namespace {

std::string joined(const std::vector<std::string>& words, std::string_view between = " ") {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += between;
    text += word;
  }
  return text;
}

std::vector<std::string> names_of(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const Command& command : commands) names.push_back(command.name);
  return names;
}

// Calls `visit` with each command and its path: "" of the program, "/bench/trickle".
void walk(const Command& command, const std::function<void(const Command&, std::string)>& visit,
          const std::string& path = "") {
  visit(command, path);
  for (const Command& sub : command.commands) walk(sub, visit, path + "/" + sub.name);
}

// A pattern for all commands but the program itself.
std::string paths_of(const Command& program, std::string_view between) {
  std::vector<std::string> paths;
  walk(program, [&](const Command&, const std::string& path) {
    if (!path.empty()) paths.push_back(path);
  });
  return joined(paths, between);
}

// 'It'\''s' for a shell.
std::string quoted(std::string_view text, std::string_view quote = "'\\''") {
  std::string out = "'";
  for (const char c : text) c == '\'' ? out += quote : out += c;
  return out + "'";
}

// The first sentence, as far as a line of a menu has room.
std::string brief(std::string text) {
  constexpr std::size_t most = 60;
  for (const std::string_view end : {" (", "; ", ": "}) {
    if (const std::size_t at = text.find(end); at != std::string::npos) text.resize(at);
  }
  if (text.size() <= most) return text;
  return text.substr(0, text.rfind(' ', most)) + " ...";
}

// What can be typed: behind `help` every command, and those below it.
Command as_typed(Command program) {
  for (Command& command : program.commands) {
    if (command.name != "help") continue;
    const std::vector<Option> options = command.options;
    const std::function<void(Command&)> bare = [&](Command& told) {
      told.options = options;
      told.arguments.clear();
      for (Command& sub : told.commands) bare(sub);
    };
    std::vector<Command> all = program.commands;
    for (Command& told : all) bare(told);
    command.commands = std::move(all);
    command.arguments.clear();
    break;
  }
  return program;
}

// bash: what puts the completions of a value into COMPREPLY; empty where there are none.
std::string bash_action(std::string_view value, const Command& program) {
  if (value == file_value || value == device_value) return "_qanat_files -f";
  if (value == upstream_value) return "_qanat_upstreams";
  if (value == directory_value) return "_qanat_files -d";
  if (value == source_value) return "_qanat_names \"$_qanat_sources\"";
  if (value == outlet_value) return "_qanat_names \"$_qanat_outlets\"";
  if (value == command_value) return "_qanat_words " + quoted(joined(names_of(program.commands)));
  const auto choices = choices_of(value);
  return choices.empty() ? "" : "_qanat_words " + quoted(joined(choices));
}

constexpr std::string_view bash_begin =
    R"(# Completion of qanat for bash; made by 'qanat completion bash'.

_qanat_words() {
  COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

# Types of sources or outlets; behind one that ends with ':' its target follows.
_qanat_names() {
  _qanat_words "$1"
  [[ ${COMPREPLY[*]} != *: ]] || compopt -o nospace 2>/dev/null
}

_qanat_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

# A file that holds a join string is named with an '@' before it.
_qanat_upstreams() {
  _qanat_files -f
  COMPREPLY=("${COMPREPLY[@]/#/@}")
}

_qanat() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path= word
  COMPREPLY=()
  # Words as bash breaks them: "--grade=full" is three, "device:/dev/x" and "@FILE", too.
  [[ $cur == [=:@] ]] && prev=$cur cur=
  if [[ $prev == : ]]; then
    _qanat_files -f
    return
  fi
  # What is put in its place begins with the '@' (readline's rl_special_prefixes).
  if [[ $prev == @ || $cur == @* ]]; then
    cur=${cur#@}
    _qanat_upstreams
    return
  fi
  if [[ $prev == = ]]; then
    prev=${COMP_WORDS[COMP_CWORD-1]}
    [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $path/$word in
)";

constexpr std::string_view zsh_begin = R"(#compdef qanat
# Completion of qanat for zsh; made by 'qanat completion zsh'.

# Behind a type that ends with ':' its target follows.
_qanat_names() {
  if compset -P '*:'; then
    _files
  else
    compadd -S '' -- "$@"
  fi
}

_qanat_upstreams() {
  if compset -P '@'; then _files; fi
}

)";

std::string zsh_action(std::string_view value, const Command& program) {
  if (value == file_value || value == device_value) return "_files";
  if (value == directory_value) return "_files -/";
  if (value == source_value) return "_qanat_source_types";
  if (value == outlet_value) return "_qanat_outlet_types";
  if (value == upstream_value) return "_qanat_upstreams";
  if (value == command_value) return "(" + joined(names_of(program.commands)) + ")";
  const auto choices = choices_of(value);
  return choices.empty() ? " " : "(" + joined(choices) + ")";
}

// Within the brackets and between the colons of _arguments.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : brief(text)) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_function(const std::string& path) {
  std::string name = "_qanat" + path;
  for (char& c : name) {
    if (c == '/') c = '_';
  }
  return name;
}

std::string zsh_options(const Command& command, const Command& program) {
  std::string text;
  for (const Option& option : command.options) {
    // Of several names, one is enough.
    const std::string all = joined(option.names);
    for (const std::string& name : option.names) {
      const std::string before = option.repeatable         ? "*"
                                 : option.names.size() > 1 ? "(" + all + ")"
                                                           : "";
      const std::string value =
          option.value.empty()
              ? ""
              : fmt::format(":{}:{}", zsh_text(option.value), zsh_action(option.value, program));
      const char* const joint = !option.value.empty() && name.starts_with("--") ? "=" : "";
      text += " \\\n    " + quoted(fmt::format("{}{}{}[{}]{}", before, name, joint,
                                               zsh_text(option.text), value));
    }
  }
  for (const Option& argument : command.arguments) {
    text += " \\\n    " +
            quoted(fmt::format("{}:{}:{}", argument.repeatable ? "*" : "", argument.names.front(),
                               zsh_action(argument.value, program)));
  }
  return text;
}

// What follows -l NAME.
std::string fish_action(std::string_view value, const Command& program) {
  if (value.empty()) return "";
  if (value == file_value || value == device_value) return " -r -F";
  if (value == upstream_value) return " -x -a '(__qanat_upstreams)'";
  if (value == directory_value) return " -x -a '(__fish_complete_directories)'";
  if (value == source_value) return " -r -F -a \"$__qanat_sources\"";
  if (value == outlet_value) return " -r -F -a \"$__qanat_outlets\"";
  if (value == command_value) return " -x -a " + quoted(joined(names_of(program.commands)), "\\'");
  const auto choices = choices_of(value);
  return choices.empty() ? " -x" : " -x -a " + quoted(joined(choices), "\\'");
}

}  // namespace

std::string bash_completion(const Command& described, const Names& names) {
  const Command program = as_typed(described);
  std::string script(bash_begin);
  script += fmt::format("      {}) path=$path/$word ;;\n", paths_of(program, "|"));
  script += "    esac\n  done\n  case $path:$prev in\n";
  walk(program, [&](const Command& command, const std::string& path) {
    for (const Option& option : command.options) {
      if (option.value.empty()) continue;
      const std::string action = bash_action(option.value, program);
      for (const std::string& name : option.names) {
        script += fmt::format("    {}:{}) {}return ;;\n", path, name,
                              action.empty() ? "" : action + "; ");
      }
    }
  });
  script += "  esac\n  case $path:$cur in\n";
  walk(program, [&](const Command& command, const std::string& path) {
    std::vector<std::string> options;
    for (const Option& option : command.options) {
      options.insert(options.end(), option.names.begin(), option.names.end());
    }
    script += fmt::format("    {}:-*) _qanat_words {} ;;\n", path, quoted(joined(options)));
    std::string action;
    if (!command.commands.empty()) {
      action = "_qanat_words " + quoted(joined(names_of(command.commands)));
    } else if (!command.arguments.empty()) {
      action = bash_action(command.arguments.front().value, program);
    }
    if (!action.empty()) script += fmt::format("    {}:*) {} ;;\n", path, action);
  });
  script += "  esac\n}\n\n";
  script += fmt::format("_qanat_sources={}\n", quoted(joined(names.sources)));
  script += fmt::format("_qanat_outlets={}\n", quoted(joined(names.outlets)));
  return script + "complete -F _qanat qanat\n";
}

std::string zsh_completion(const Command& described, const Names& names) {
  const Command program = as_typed(described);
  std::string script(zsh_begin);
  script +=
      fmt::format("_qanat_source_types() {{\n  _qanat_names {}\n}}\n\n", joined(names.sources));
  script += fmt::format("_qanat_outlet_types() {{\n  _qanat_names {}\n}}\n", joined(names.outlets));
  walk(program, [&](const Command& command, const std::string& path) {
    script += fmt::format("\n{}() {{\n", zsh_function(path));
    const std::string options = zsh_options(command, program);
    if (command.commands.empty()) {
      script += fmt::format("  _arguments{}\n}}\n", options);
      return;
    }
    script += fmt::format("  local state line\n  _arguments -C{} \\\n", options);
    script += "    '1: :->command' '*:: :->arguments'\n  case $state in\n    command)\n";
    script += "      local -a commands=(\n";
    for (const Command& sub : command.commands) {
      script += fmt::format("        {}\n",
                            quoted(fmt::format("{}:{}", sub.name, zsh_text(sub.summary))));
    }
    script += "      )\n      _describe command commands\n      ;;\n    arguments)\n";
    script += "      case $line[1] in\n";
    for (const Command& sub : command.commands) {
      script += fmt::format("        {}) {} ;;\n", sub.name, zsh_function(path + "/" + sub.name));
    }
    script += "      esac\n      ;;\n  esac\n}\n";
  });
  // As a file in $fpath it is the body of the function itself; elsewhere it says whose it is.
  return script +
         "\nif [ \"$funcstack[1]\" = _qanat ]; then\n  _qanat \"$@\"\nelse\n"
         "  compdef _qanat qanat\nfi\n";
}

std::string fish_completion(const Command& described, const Names& names) {
  const Command program = as_typed(described);
  std::string script =
      "# Completion of qanat for fish; made by 'qanat completion fish'.\n\n"
      "# Whether the words that are there lead to this command: '' for the program itself.\n"
      "function __qanat_at\n  set -l path\n  for word in (commandline -opc)[2..-1]\n";
  script += fmt::format("    if contains -- \"$path/$word\" {}\n", paths_of(program, " "));
  script +=
      "      set path \"$path/$word\"\n    end\n  end\n  test \"$path\" = \"$argv[1]\"\nend\n\n";
  script +=
      "# @FILE\nfunction __qanat_upstreams\n  set -l word (commandline -ct)\n"
      "  string match -q '@*' -- $word; or return\n"
      "  __fish_complete_path (string sub -s 2 -- $word) | string replace -r '^' '@'\nend\n\n";
  script += fmt::format("set -g __qanat_sources {}\n", quoted(joined(names.sources), "\\'"));
  script += fmt::format("set -g __qanat_outlets {}\n", quoted(joined(names.outlets), "\\'"));
  script += "\n# No files but where they are asked for.\ncomplete -c qanat -f\n";
  walk(program, [&](const Command& command, const std::string& path) {
    const std::string begin = fmt::format("complete -c qanat -n \"__qanat_at '{}'\"", path);
    for (const Command& sub : command.commands) {
      script += fmt::format("{} -a {} -d {}\n", begin, sub.name, quoted(brief(sub.summary), "\\'"));
    }
    for (const Option& option : command.options) {
      std::string all;
      for (const std::string& name : option.names) {
        all += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      script += fmt::format("{}{}{} -d {}\n", begin, all, fish_action(option.value, program),
                            quoted(brief(option.text), "\\'"));
    }
    if (command.arguments.empty()) return;
    const std::string& value = command.arguments.front().value;
    std::string action = fish_action(value, program);
    // Of an option's value: it needs one, and takes nothing else. Here neither is meant.
    for (const std::string_view words : {" -r", " -x"}) {
      if (action.starts_with(words)) action.erase(0, words.size());
    }
    if (!action.empty()) script += begin + action + "\n";
  });
  return script;
}

}  // namespace qanat::cli::help
