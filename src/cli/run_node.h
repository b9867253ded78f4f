// Running a node in the foreground, for `serve` and `feed`.
#pragma once

#include <functional>

#include "node/node.h"

namespace qanat::cli {

// Until SIGTERM or SIGINT. `reread` makes the configuration anew for SIGHUP; empty: there is none.
int run_node(node::NodeSettings settings, const std::function<node::Config()>& reread);
// The end that both have in common: 0, or an exit at once when a source is stuck.
void end_node(node::Node& node);

}  // namespace qanat::cli
