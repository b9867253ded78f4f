#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "base/log.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/run_node.h"
#include "cli/upstream_argument.h"
#include "node/config_path.h"
#include "node/node.h"
#include "sources/upstream/kept_join_strings.h"
#include "wire/join_string.h"

namespace qanat::cli {
namespace {

struct ServeOptions {
  std::string config;
  std::vector<std::string> sources;
  std::vector<std::string> outlets;
  std::string state;
  std::string log;
  std::size_t threads = 0;
  std::size_t quorum = 0;
};

// The file, if one is named or the usual one is there; the command line goes before it.
node::Config effective_config(ServeOptions& options) {
  node::Config config;
  const bool named = !options.config.empty();
  if (named || ::access(node::default_config_path(), F_OK) == 0) {
    const std::string path = named ? options.config : node::default_config_path();
    config = node::load_config(path);
  }
  if (!options.sources.empty()) config.sources.clear();
  for (std::string& source : options.sources) {
    source = sources::keep_join_strings(std::move(source));
    config.sources.push_back(source);
  }
  if (!options.outlets.empty()) config.outlets = options.outlets;
  if (!options.log.empty()) config.observe.log = log_format(options.log);
  if (options.threads > 0) config.threads = options.threads;
  if (options.quorum > 0) config.quorum = options.quorum;
  if (config.sources.empty()) config.sources = sources::default_sources();
  if (config.outlets.empty()) {
    config.outlets = outlets::default_outlets();
    config.default_outlets = true;
  }
  node::check_config(config);
  return config;
}

std::string with_lines(const char* title, const std::vector<std::string>& lines) {
  std::string text = title;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

}  // namespace

Run add_serve(CLI::App& command) {
  auto options = std::make_shared<ServeOptions>();
  command.add_option("--config", options->config,
                     fmt::format("Configuration file (default: {})", node::default_config_path()));
  command
      .add_option(
          "--source", options->sources,
          "Where entropy comes from: TYPE[:TARGET][?option=value&...] as below, a join string, or "
          "@FILE that holds one; repeatable")
      ->allow_extra_args(false);
  command
      .add_option("--outlet", options->outlets,
                  "Where it goes: TYPE[:TARGET][?option=value&...] as below; repeatable")
      ->allow_extra_args(false);
  command.add_option("--state", options->state,
                     "State directory: keys, clients, cookies (default: /var/lib/qanat)");
  command
      .add_option("--quorum", options->quorum,
                  "Credit upstreams only for what so many of them, with different keys, gave "
                  "(default: 1)")
      ->check(CLI::Range(std::size_t{1}, node::most_quorum));
  add_log_option(command, options->log);
  command.add_option("--threads", options->threads, "I/O threads (default: 1)")
      ->check(CLI::Range(1, 256));
  command.footer(
      with_lines("Sources:\nEach takes h=BITS, the min-entropy of a byte that is claimed of it "
                 "(below: where none is), and credit=yes|no|insist.",
                 sources::source_help()) +
      with_lines("\nOutlets:\nEach takes rate=, burst= and weight=.", outlets::outlet_help()));
  return [options] {
    // Those of a file are checked where their lines are known.
    for (std::string& source : options->sources) {
      // Once: what was read stays at a reload.
      if (source == "-" || source.starts_with('@')) source = read_upstream_argument(source);
      if (wire::looks_like_join_string(source)) continue;
      as_usage([&] { return sources::describe_source(source); });
    }
    for (const std::string& outlet : options->outlets) {
      as_usage([&] { return outlets::plan_outlet(outlet); });
    }
    node::NodeSettings settings;
    settings.state_path = state_path(options->state);
    settings.config = effective_config(*options);
    const std::string config =
        options->config.empty() ? node::default_config_path() : options->config;
    return run_node(
        std::move(settings), [options] { return effective_config(*options); }, config);
  };
}

}  // namespace qanat::cli
