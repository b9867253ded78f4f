#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/node_options.h"
#include "cli/run_node.h"
#include "outlets/registry.h"
#include "sources/registry.h"

namespace qanat::cli {
namespace {

node::Config effective_config(const NodeOptions& options) {
  node::Problems problems;
  node::Config config = gather(options, problems);
  node::refuse(problems);
  return config;
}

std::string with_lines(const char* title, const std::vector<std::string>& lines) {
  std::string text = title;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

}  // namespace

Run add_serve(CLI::App& command) {
  auto options = std::make_shared<NodeOptions>();
  add_node_options(command, *options);
  command.footer(
      with_lines("Sources:\nEach takes h=BITS, the min-entropy of a byte that is claimed of it "
                 "(below: where none is), and credit=yes|no|insist.",
                 sources::source_help()) +
      with_lines("\nOutlets:\nEach takes rate=, burst= and weight=.", outlets::outlet_help()) +
      "\n\nCommand-line options override the file. A list replaces the whole list: with one "
      "--outlet there are neither the file's outlets nor the default ones, which are "
      "http://127.0.0.1:7748 and egd:/run/qanat/egd?mode=0666.");
  return [options] {
    read_names(*options, [](const std::string& what, bool usage) {
      if (usage) throw UsageError(what);
      throw Failure(what);
    });
    node::NodeSettings settings;
    settings.state_path = state_path(options->state);
    settings.config = effective_config(*options);
    return run_node(
        std::move(settings), [options] { return effective_config(*options); },
        config_path(*options));
  };
}

}  // namespace qanat::cli
