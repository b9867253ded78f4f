#include "cli/node_options.h"

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/run_node.h"
#include "cli/upstream_argument.h"
#include "node/config_path.h"
#include "outlets/registry.h"
#include "sources/registry.h"
#include "sources/upstream/kept_join_strings.h"
#include "wire/join_string.h"

namespace qanat::cli {

void add_node_options(CLI::App& command, NodeOptions& options) {
  command.add_option("--config", options.config,
                     fmt::format("Configuration file (default: {})", node::default_config_path()));
  command
      .add_option(
          "--source", options.sources,
          "Where entropy comes from: TYPE[:TARGET][?option=value&...] as in 'qanat help "
          "serve', a join string, or @FILE that holds one; in place of the file's; repeatable")
      ->allow_extra_args(false);
  command
      .add_option("--outlet", options.outlets,
                  "Where it goes: TYPE[:TARGET][?option=value&...]; in place of the file's and of "
                  "the default ones; repeatable")
      ->allow_extra_args(false);
  command.add_option("--state", options.state,
                     "State directory: keys, clients, cookies (default: /var/lib/qanat)");
  command
      .add_option("--quorum", options.quorum,
                  "Credit upstreams only for what so many of them, with different keys, gave "
                  "(default: 1)")
      ->check(CLI::Range(std::size_t{1}, node::most_quorum));
  add_log_option(command, options.log);
  command.add_option("--threads", options.threads, "I/O threads (default: 1)")
      ->check(CLI::Range(1, 256));
}

std::string config_path(const NodeOptions& options) {
  return options.config.empty() ? node::default_config_path() : options.config;
}

std::string config_file(const NodeOptions& options) {
  const std::string path = config_path(options);
  return !options.config.empty() || ::access(path.c_str(), F_OK) == 0 ? path : "";
}

void read_names(NodeOptions& options,
                const std::function<void(const std::string& what, bool usage)>& wrong) {
  const auto keep_valid = [&](std::vector<std::string>& names, const auto& look) {
    std::vector<std::string> valid;
    for (std::string& name : names) {
      bool usage = true;
      try {
        look(name, usage);
        valid.push_back(std::move(name));
      } catch (const Failure& problem) {
        wrong(problem.what(), usage);
      }
    }
    names = std::move(valid);
  };
  keep_valid(options.sources, [](std::string& name, bool& usage) {
    // A file that cannot be read, or a damaged join string, is no slip of usage.
    usage = false;
    if (name == "-" || name.starts_with('@')) name = read_upstream_argument(name);
    name = sources::keep_join_strings(std::move(name));
    usage = !wire::looks_like_join_string(name);
    (void)sources::describe_source(name);
  });
  keep_valid(options.outlets,
             [](const std::string& name, bool&) { (void)outlets::plan_outlet(name); });
}

node::Config gather(const NodeOptions& options, node::Problems& problems) {
  node::Config config;
  const std::string file = config_file(options);
  if (!file.empty()) config = node::load_config(file, problems);
  if (!options.sources.empty()) config.sources = options.sources;
  if (!options.outlets.empty()) config.outlets = options.outlets;
  if (!options.log.empty()) config.observe.log = log_format(options.log);
  if (options.threads > 0) config.threads = options.threads;
  if (options.quorum > 0) {
    config.quorum = options.quorum;
    config.places.erase("node.quorum");
  }
  if (config.sources.empty()) config.sources = sources::default_sources();
  // In place of those that were left out as wrong, the default ones would bring mistakes of their
  // own.
  config.default_outlets = config.outlets.empty() && problems.empty();
  if (config.default_outlets) {
    config.outlets = outlets::default_outlets();
  } else {
    config.note = node::replaced_outlets(config, options.outlets.empty() ? file : "");
  }
  check_config(config, problems);
  return config;
}

}  // namespace qanat::cli
