// The options of `serve`, which `check` takes too, and the configuration that they come to.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "node/config.h"

namespace CLI {
class App;
}

namespace qanat::cli {

struct NodeOptions {
  std::string config;  // empty: the usual file, if it is there
  std::vector<std::string> sources;
  std::vector<std::string> outlets;
  std::string state;
  std::string log;
  std::size_t threads = 0;  // 0: not given
  std::size_t quorum = 0;
};

void add_node_options(CLI::App& command, NodeOptions& options);

// The file that a reload reads, there or not: the one that is named, or the usual one.
std::string config_path(const NodeOptions& options);
// The file that is read now; empty: none.
std::string config_file(const NodeOptions& options);

// Reads what files of --source hold, once: what was read stays at a reload. Calls `wrong` for each
// --source and --outlet that is not valid, and leaves it out if that comes back; `usage`: it is a
// slip of usage. (Names in a file are checked where their lines are known.)
void read_names(NodeOptions& options,
                const std::function<void(const std::string& what, bool usage)>& wrong);

// The file, and over it what the command line says: single values override the file's, and a list
// (--source, --outlet) replaces the file's whole list. Adds all that is wrong. After read_names.
node::Config gather(const NodeOptions& options, node::Problems& problems);

}  // namespace qanat::cli
