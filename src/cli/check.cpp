#include <fmt/core.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <map>
#include <set>

#include "base/quantity.h"
#include "base/shown.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/held_places.h"
#include "cli/node_options.h"
#include "machine/generation.h"
#include "node/look.h"
#include "node/separation.h"
#include "outlets/registry.h"
#include "sources/registry.h"
#include "spec/spec.h"
#include "wire/join_string.h"

namespace qanat::cli {
namespace {

// Whoever reads a join string draws as that client, and whoever reads a PIN has the token.
bool holds_secret(const std::string& text) {
  return wire::looks_like_join_string(text) ||
         spec::plain_key(text).find("pin-value=") != std::string::npos;
}

// Of sources that the file names. Root's file may be read by a group, which a service is of.
std::string warning_of_secrets(const node::Config& config, const std::string& path) {
  const bool any = std::any_of(config.sources.begin(), config.sources.end(), holds_secret);
  struct stat info {};
  if (!any || ::stat(path.c_str(), &info) != 0) return "";
  const unsigned allowed = info.st_uid == 0 ? 040U : 0U;
  if ((info.st_mode & 077U & ~allowed) == 0) return "";
  const std::string for_service =
      info.st_uid == 0 ? fmt::format(", or for a service: chgrp qanat {0} && chmod 640 {0}", path)
                       : "";
  return fmt::format(
      "{} holds a join string or a PIN, and others can read it (mode {:04o}): chmod 600 {}{}", path,
      info.st_mode & 07777U, path, for_service);
}

node::Findings look_here(const node::Config& config, const std::string& state_option) {
  node::Problems wrong;
  std::set<std::string> held;
  std::string state;
  try {
    state = state_path(state_option);
    held = places_held(state);
  } catch (const Failure& problem) {
    wrong.emplace_back(problem.what());
    if (state.empty()) return {wrong, {}, {}};
  }
  node::Findings found = node::look_at(config, node::StateDir(state), held);
  found.wrong.insert(found.wrong.begin(), wrong.begin(), wrong.end());
  return found;
}

struct CheckOptions {
  NodeOptions node;
  std::string file;
  bool elsewhere = false;
};

std::string name_of_configuration(const NodeOptions& options) {
  const std::string file = config_file(options);
  const bool named = !options.sources.empty() || !options.outlets.empty();
  const std::string none = "no configuration file";
  if (file.empty()) return named ? "the command line" : none + ": the defaults";
  return named ? file + ", and the command line" : file;
}

void print_sources(const node::Config& config, const node::Findings& found) {
  fmt::print("\nSources\n");
  std::map<sources::Origin, std::string> seen;
  for (const std::string& text : config.sources) {
    auto source = sources::describe_source(text);
    const bool counted = source.credit && !source.insist;
    const auto origin = counted ? sources::origin_of_source(text) : std::nullopt;
    if (origin) {
      const auto [first, fresh] = seen.emplace(*origin, text);
      if (!fresh) {
        source.credit = false;
        source.note = "it is the same as " + first->second + ", and is counted there";
      }
    }
    fmt::print("  {:<30} {}\n", escaped(source.name),
               source.credit ? fmt::format("credited {} a byte", format_bits(source.h))
                             : "mixed in, credited 0");
    if (const auto absence = found.absent.find(text); absence != found.absent.end()) {
      fmt::print("    not there now: {}; it is looked for\n", absence->second);
    }
    if (!source.note.empty()) fmt::print("    note: {}\n", source.note);
  }
  if (config.quorum > 1) {
    fmt::print("  upstreams are credited only for what {} of them, with different keys, gave\n",
               config.quorum);
  }
}

void print_plan(const node::Config& config, const node::Findings& found) {
  fmt::print("\nThreads {}, reserve {}, DRBG reseeded every {} or {}\n", config.threads,
             format_size(static_cast<double>(config.reserve_bytes)),
             format_duration(config.reseed.interval),
             format_size(static_cast<double>(config.reseed.bytes)));
  print_sources(config, found);
  fmt::print("\nOutlets\n");
  for (const std::string& text : config.outlets) {
    const auto outlet = outlets::plan_outlet(text);
    fmt::print("  {:<30} {}\n", escaped(text), outlet.note);
  }
  if (!config.note.empty()) fmt::print("    note: {}\n", config.note);
  if (!config.on_reseed.empty()) fmt::print("\nWhen this machine may be a copy\n");
  for (const std::string& command : config.on_reseed) fmt::print("  {}\n", command);
  if (!config.alarms.empty()) fmt::print("\nAlarms\n");
  for (const observe::AlarmRule& rule : config.alarms) {
    std::string kinds;
    for (const EventKind kind : rule.on) kinds += fmt::format(" {}", to_string(kind));
    fmt::print("  {:<30} on{}\n", escaped(rule.name()),
               rule.on == observe::usual_alarms() ? " the usual kinds" : kinds);
    if (rule.webhook.starts_with("http://")) {
      fmt::print("    note: http sends it in the clear, and anybody on the way can change it\n");
    }
  }
  if (!config.observe.loopback) {
    fmt::print(
        "\nWithout an observer's token, requests on loopback see no clients or outlets, and only "
        "events of the sources\n");
  }
  if (!config.clients.empty()) {
    fmt::print("\nTerms for clients (from the moment they are invited, or show a certificate)\n");
  }
  for (const auto& [name, terms] : config.clients) {
    const std::string promise = terms.rate == 0
                                    ? "nothing promised"
                                    : "promised " + format_rate(static_cast<double>(terms.rate));
    fmt::print("  {:<30} {}, weight {:g}\n", name, promise, terms.weight);
  }
}

int check(CheckOptions& options) {
  if (!options.file.empty()) {
    if (!options.node.config.empty()) {
      throw UsageError("the configuration file is given twice; give it once");
    }
    options.node.config = options.file;
  }
  node::Problems problems;
  read_names(options.node, [&](const std::string& what, bool) { problems.push_back(what); });
  node::Config config;
  try {
    config = gather(options.node, problems);
  } catch (const Failure& problem) {
    problems.emplace_back(problem.what());
  }
  node::Findings found;
  if (options.elsewhere) {
    found.warnings = node::config_warnings(config);
  } else {
    found = look_here(config, options.node.state);
  }
  problems.insert(problems.end(), found.wrong.begin(), found.wrong.end());
  if (!options.elsewhere && problems.empty()) {
    try {
      node::NodeSettings settings;
      settings.state_path = state_path(options.node.state);
      settings.config = config;
      settings.generation_path = machine::Generation::usual_path();
      // As `serve` would begin with it: that reads the usual file again, though there be none yet.
      const std::string doubts = node::doubts_of_start(settings, config_path(options.node));
      if (!doubts.empty()) found.warnings.push_back(doubts);
    } catch (const Failure& problem) {
      problems.emplace_back(problem.what());
    }
  }
  if (!problems.empty()) {
    std::fflush(stdout);
    for (const std::string& problem : problems) {
      fmt::print(stderr, "qanat: {}\n", wire::without_secrets(problem));
    }
    return 1;
  }
  if (const auto file = config_file(options.node); !file.empty() && options.node.sources.empty()) {
    const std::string warning = warning_of_secrets(config, file);
    if (!warning.empty()) found.warnings.push_back(warning);
  }
  const std::size_t warnings = found.warnings.size();
  fmt::print(
      "{}: valid{}\n", name_of_configuration(options.node),
      warnings == 0 ? "" : fmt::format(", with {} warning{}", warnings, warnings > 1 ? "s" : ""));
  for (const std::string& warning : found.warnings) fmt::print("warning: {}\n", warning);
  print_plan(config, found);
  return 0;
}

}  // namespace

Run add_check(CLI::App& command) {
  auto options = std::make_shared<CheckOptions>();
  command.add_option("file", options->file, "Configuration file, as --config");
  add_node_options(command, options->node);
  command.add_flag("--elsewhere", options->elsewhere,
                   "For another machine: look at the text alone");
  command.footer(
      "Takes the options of 'serve', and tells all that would keep it from starting or from being "
      "of use, with exit code 1: mistakes with their lines, files that cannot be read, addresses "
      "that this account cannot have. What the node that runs here has now counts as free.");
  return [options] { return check(*options); };
}

}  // namespace qanat::cli
