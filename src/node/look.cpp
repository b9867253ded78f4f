#include "node/look.h"

#include <fmt/core.h>

#include "base/shell_command.h"
#include "base/trusted_path.h"
#include "machine/sandbox.h"
#include "outlets/registry.h"
#include "sources/registry.h"

namespace qanat::node {
namespace {

using Kind = spec::Obstacle::Kind;

std::string said_of(const Config& config, const char* kind, const std::string& text,
                    const spec::Obstacle& obstacle) {
  return fmt::format("{}{}{}{}: {}", config.place_of(kind, text, obstacle.option), kind,
                     obstacle.option.empty() ? "" : ".", obstacle.option, obstacle.what);
}

void look_at_sources(const Config& config, Findings& found) {
  for (const std::string& text : config.sources) {
    for (const spec::Obstacle& obstacle : sources::obstacles_of_source(text)) {
      if (obstacle.kind == Kind::absent) {
        found.absent[text] = obstacle.what;
      } else {
        found.wrong.push_back(said_of(config, "source", text, obstacle));
      }
    }
  }
}

// Of the default ones, one that cannot start is left out; a node without any does not start.
void look_at_outlets(const Config& config, const std::set<std::string>& held, Findings& found) {
  Problems failed;
  std::size_t outlets_failed = 0;
  for (const std::string& text : config.outlets) {
    const outlets::OutletPlan plan = outlets::plan_outlet(text);
    spec::Obstacles obstacles;
    if (plan.look) plan.look(obstacles);
    bool fails = false;
    for (const spec::Obstacle& obstacle : obstacles) {
      if (obstacle.kind == Kind::taken && held.contains(plan.place)) continue;
      const std::string what = said_of(config, "outlet", text, obstacle);
      if (obstacle.kind == Kind::absent) {
        found.warnings.push_back(what);
      } else {
        failed.push_back(what);
        fails = true;
      }
    }
    outlets_failed += fails ? 1 : 0;
  }
  const bool goes_on = config.default_outlets && outlets_failed < config.outlets.size();
  Problems& to = goes_on ? found.warnings : found.wrong;
  to.insert(to.end(), failed.begin(), failed.end());
}

// Root's monitor runs commands. A program that is named by its path alone is looked at: what the
// shell finds by its PATH is the system's.
std::string who_else_may_change_program(const std::string& command) {
  const std::string program = program_of(command);
  std::string who;
  if (program.find('/') == std::string::npos || !machine::has_powers()) return who;
  (void)walk_path(program, [&who](const PathStep& step) -> Result<void> {
    if (who.empty()) who = who_else_may_change(step);
    return {};
  });
  return who;
}

void look_at_commands(const Config& config, Findings& found) {
  const auto look = [&](const std::string& at, const char* what, const std::string& command) {
    const std::string missing = missing_program(command);
    if (!missing.empty()) found.warnings.push_back(fmt::format("{}{}: {}", at, what, missing));
    const std::string who = who_else_may_change_program(command);
    if (who.empty()) return;
    found.warnings.push_back(
        fmt::format("{}{}: {} is run with root's powers, and {}; let nobody else write there", at,
                    what, program_of(command), who));
  };
  for (const std::string& text : config.sources) {
    look(config.place_of("source", text), "source", sources::plan_source(text).command);
  }
  for (const std::string& command : config.on_reseed) {
    look(config.place_of("node.on-reseed", command), "node.on-reseed", command);
  }
  for (const observe::AlarmRule& rule : config.alarms) {
    look(config.place_of("alarm", rule.name()), "alarm.command", rule.command);
  }
}

}  // namespace

Findings look_at(const Config& config, const StateDir& state, const std::set<std::string>& held) {
  Findings found;
  try {
    if (auto writable = state.look(); !writable) found.warnings.push_back(writable.error().message);
  } catch (const Failure& problem) {
    found.wrong.emplace_back(problem.what());
  }
  look_at_sources(config, found);
  look_at_outlets(config, held, found);
  look_at_commands(config, found);
  for (const std::string& warning : config_warnings(config)) found.warnings.push_back(warning);
  return found;
}

}  // namespace qanat::node
