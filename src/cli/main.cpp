#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/secret.h"
#include "cli/command.h"
#include "cli/help/tree.h"
#include "cli/output.h"
#include "cli/rngnet.h"
#include "cli/usage.h"
#include "sources/upstream/kept_join_strings.h"
#include "wire/join_string.h"

namespace {

using namespace qanat;

// "--on_reseed=..." as "--on-reseed=...": options are taken in either spelling, as keys in files
// are.
std::string plain_option(std::string argument) {
  if (!argument.starts_with("--")) return argument;
  const auto end =
      argument.begin() + static_cast<std::ptrdiff_t>(std::min(argument.find('='), argument.size()));
  std::replace(argument.begin(), end, '_', '-');
  return argument;
}

// A join string is a secret, and arguments can be read by everybody on the machine: it is set
// aside, and overwritten from there to the argument's end, in whatever form it is given.
std::vector<std::string> take_arguments(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument(argv[i]);
    arguments.push_back(plain_option(sources::set_join_strings_aside(argument)));
    const std::size_t at = wire::find_join_string(argument);
    if (at == std::string_view::npos) continue;
    constexpr std::size_t prefix = 7;  // "qanat1."
    const MutableBytes secret(reinterpret_cast<std::uint8_t*>(argv[i]), argument.size());
    wipe(secret.subspan(std::min(at + prefix, secret.size())));
  }
  // The order in which CLI11 takes them.
  std::reverse(arguments.begin(), arguments.end());
  return arguments;
}

struct Command {
  const char* name;
  const char* summary;
  cli::Run (*add)(CLI::App&);
  // Needs no secret memory, or initialises it itself: that draws random bytes, and a kernel that
  // has none yet may have to be given a boot seed first.
  bool begins_early = false;
};

constexpr std::array commands{
    Command{"serve", "Run a node in the foreground", cli::add_serve},
    Command{"invite", "Make a client and print its join string", cli::add_invite},
    Command{"revoke", "Bar a name, and end its client", cli::add_revoke},
    Command{"allow", "Lift what revoke did", cli::add_allow},
    Command{"clients", "List the clients and what they drew", cli::add_clients},
    Command{"feed", "Keep this machine fed from other nodes", cli::add_feed, true},
    Command{"get", "Random bytes to standard output", cli::add_get},
    Command{"seed", "One boot seed for a machine about to be created", cli::add_seed},
    Command{"sources", "Find and try this machine's entropy sources", cli::add_sources},
    Command{"status", "What a running node does", cli::add_status},
    Command{"top", "What a running node does, live", cli::add_top},
    Command{"events", "What happened on a running node", cli::add_events},
    Command{"wait", "Wait until this machine is seeded", cli::add_wait, true},
    Command{"alarm", "Try the alarms of a node", cli::add_alarm},
    Command{"check", "Validate a configuration and say what it would do", cli::add_check},
    Command{"doctor", "What is wrong with this machine, and how to mend it", cli::add_doctor, true},
    Command{"entropykey", "Keys of a Simtec EntropyKey", cli::add_entropykey},
    Command{"bench", "Put load on a hub, and measure", cli::add_bench},
    Command{"completion", "Print what makes a shell complete these commands", cli::add_completion,
            true},
    Command{"help", "Tell what a command does and takes", cli::add_help, true},
    Command{"version", "Print the version and what it was built with", cli::add_version, true},
    Command{"manual", "Print what the manual pages take from here", cli::add_manual, true},
};

// An empty one would be taken for none: a script's variable that was not set. A join string names
// an upstream, and nothing else: no directory, no client.
void check_values(const CLI::App& command) {
  for (const CLI::App* const sub : command.get_subcommands()) check_values(*sub);
  for (const CLI::Option* const option : command.get_options()) {
    const std::string name = option->get_name();
    const bool upstream =
        name == "--source" || name == "--from" || name == "upstream" || name == "hub";
    for (const std::string& result : option->results()) {
      if (result.empty()) throw cli::UsageError(name + ": is empty; give a value, or leave it out");
      if (sources::find_set_aside(result) != std::string::npos && wire::has_quotes(result)) {
        throw cli::UsageError(name + ": " + sources::why_not_alone(result));
      }
      // A command's words are its own.
      if (!result.starts_with("exec:")) {
        try {
          wire::refuse_part_of_key(result);
        } catch (const Failure& problem) {
          throw cli::UsageError(fmt::format("{}: {}", name, problem.what()));
        }
      }
      const std::size_t at = sources::find_set_aside(result);
      if (at == std::string::npos) continue;
      if (!upstream) throw cli::UsageError(name + ": a join string does not belong here");
      if (at > 0) {
        throw cli::UsageError(name + ": " + sources::why_not_alone(result));
      }
    }
  }
}

// rngsend and rngrecv: links to this program.
int run_by_name(const std::function<int(int, char**)>& program, int argc, char** argv) {
  try {
    initialise_secret_memory();
    return program(argc, argv);
  } catch (const std::exception& e) {
    cli::complain(fmt::format("{}: {}", argv[0], plain_what(e)));
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  cli::hold_standard_descriptors();
  const std::string_view path = argc > 0 ? argv[0] : "";
  if (const auto program = cli::find_rngnet_program(path.substr(path.rfind('/') + 1))) {
    return cli::finish_output(run_by_name(program, argc, argv));
  }
  CLI::App app("Gather entropy where it is real and carry it to where it is needed", "qanat");
  cli::help::use_for(app);
  app.set_version_flag("-V,--version", cli::version_text,
                       "Print the version and what it was built with, and exit");
  app.require_subcommand(1);
  bool verbose = false;
  bool quiet = false;
  app.add_flag("--verbose", verbose, "Log more");
  app.add_flag("--quiet", quiet, "Log warnings and errors only");
  std::vector<std::pair<CLI::App*, cli::Run>> runs;
  for (const Command& command : commands) {
    CLI::App* const sub = app.add_subcommand(command.name, command.summary);
    sub->fallthrough();
    runs.emplace_back(sub, command.add(*sub));
  }
  // Not before: it would be theirs, too.
  app.footer("'qanat help COMMAND' tells more; 'man qanat' and 'man qanat-COMMAND' tell all.");
  try {
    app.parse(take_arguments(argc, argv));
  } catch (const CLI::ParseError& e) {
    // 0 for --help and --version, 2 for wrong usage.
    const auto rest = app.remaining();
    const bool unknown = app.get_subcommands().empty() && !rest.empty();
    if (e.get_exit_code() == 0 && !unknown) return cli::finish_output(app.exit(e));
    return cli::refuse_usage(app, e.what());
  }
  try {
    check_values(app);
    set_log_level(verbose ? LogLevel::debug : quiet ? LogLevel::warning : LogLevel::info);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const auto& [sub, run] = runs[i];
      if (!sub->parsed()) continue;
      keep_secrets_from_children();
      if (!commands[i].begins_early) initialise_secret_memory();
      return cli::finish_output(run());
    }
  } catch (const cli::UsageError& e) {
    return cli::refuse_usage(app, e.what());
  } catch (const std::exception& e) {
    cli::complain("qanat: " + wire::without_secrets(plain_what(e)));
    return cli::finish_output(1);
  }
  return 2;
}
