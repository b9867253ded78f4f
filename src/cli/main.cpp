#include <CLI/CLI.hpp>
#include <cstdio>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/rngnet.h"
#include "wire/join_string.h"

namespace {

using namespace qanat;

// A join string is a secret, and arguments can be read by everybody on the machine: once copied, it
// is overwritten there.
void hide_secrets(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument(argv[i]);
    if (!wire::looks_like_join_string(argument)) continue;
    const MutableBytes secret(reinterpret_cast<std::uint8_t*>(argv[i]), argument.size());
    wipe(secret.subspan(std::min<std::size_t>(7, secret.size())));
  }
}

struct Command {
  const char* name;
  const char* summary;
  cli::Run (*add)(CLI::App&);
  // Calls initialise_secret_memory itself: it draws random bytes, and a kernel that has none yet
  // may have to be given a boot seed first.
  bool begins_early = false;
};

constexpr std::array commands{
    Command{"serve", "Run a node in the foreground", cli::add_serve},
    Command{"invite", "Make a client and print its join string", cli::add_invite},
    Command{"revoke", "End a client, and its open connections", cli::add_revoke},
    Command{"clients", "List the clients and what they drew", cli::add_clients},
    Command{"feed", "Keep this machine fed from other nodes", cli::add_feed, true},
    Command{"get", "Random bytes to standard output", cli::add_get},
    Command{"seed", "One boot seed for a machine about to be created", cli::add_seed},
    Command{"sources", "Find and try this machine's entropy sources", cli::add_sources},
    Command{"status", "What a running node does", cli::add_status},
    Command{"top", "The same, live", cli::add_top},
    Command{"check", "Validate a configuration and say what it would do", cli::add_check},
    Command{"bench", "Put load on a hub, and measure", cli::add_bench},
};

// rngsend and rngrecv: links to this program.
int run_by_name(const std::function<int(int, char**)>& program, int argc, char** argv) {
  try {
    initialise_secret_memory();
    return program(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view path = argc > 0 ? argv[0] : "";
  if (const auto program = cli::find_rngnet_program(path.substr(path.rfind('/') + 1))) {
    return run_by_name(program, argc, argv);
  }
  CLI::App app("qanat: entropy from where it is real to where it is needed", "qanat");
  app.set_version_flag("--version", std::string("qanat ") + version());
  app.require_subcommand(1);
  app.footer("'qanat COMMAND --help' tells more; 'man qanat' tells all.");
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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    // 0 for --help and --version, 2 for wrong usage.
    if (e.get_exit_code() == 0) return app.exit(e);
    std::fprintf(stderr, "qanat: %s\nTry 'qanat --help'.\n", e.what());
    return 2;
  }
  try {
    hide_secrets(argc, argv);
    set_log_level(verbose ? LogLevel::debug : quiet ? LogLevel::warning : LogLevel::info);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const auto& [sub, run] = runs[i];
      if (!sub->parsed()) continue;
      if (!commands[i].begins_early) initialise_secret_memory();
      return run();
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "qanat: %s\n", e.what());
    return 1;
  }
  return 2;
}
