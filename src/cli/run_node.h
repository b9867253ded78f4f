// Running a node in the foreground, for `serve` and `feed`.
#pragma once

#include <functional>

#include "machine/daemon.h"
#include "node/node.h"

namespace qanat::cli {

// Until SIGTERM or SIGINT. `reread` makes the configuration anew for SIGHUP; empty: there is none.
int run_node(node::NodeSettings settings, const std::function<node::Config()>& reread);
// The end that both have in common. Does not come back when something is stuck: then `problem` is
// said, if there is one, and the exit code is 1; else 0.
void end_node(node::Node& node, machine::Signals& signals, const std::string& problem);

}  // namespace qanat::cli
