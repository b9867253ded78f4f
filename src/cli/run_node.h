// Running a node in the foreground, for `serve` and `feed`.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "machine/daemon.h"
#include "node/node.h"
#include "node/separation.h"

namespace CLI {
class App;
}

namespace qanat::cli {

// "--log text|json": how lines of the log are written; it overrides the configuration's.
void add_log_option(CLI::App& command, std::string& format);
LogFormat log_format(const std::string& name);

// Until SIGTERM or SIGINT. `reread` makes the configuration anew for SIGHUP, from `config_path` if
// it has one; empty: there is none.
int run_node(node::NodeSettings settings, const std::function<node::Config()>& reread,
             const std::string& config_path);
// What both need before a node is made: signals, the monitor, the end of this process's powers.
std::unique_ptr<node::Separation> prepare_node(const node::NodeSettings& settings,
                                               const std::function<node::Config()>& reread,
                                               const std::string& config_path);
// The end that both have in common. Does not come back when something is stuck: then `problem` is
// said, if there is one, and the exit code is 1; else 0.
void end_node(node::Node& node, machine::Signals& signals, const std::string& problem);

}  // namespace qanat::cli
