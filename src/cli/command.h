// The subcommands, one file each.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace CLI {
class App;
}

namespace qanat::cli {

// Sets up its options and returns what runs it: the exit code, 0 done or 1 failed. A Failure that
// it throws is printed as one line and is exit code 1.
using Run = std::function<int()>;

Run add_serve(CLI::App& command);
Run add_invite(CLI::App& command);
Run add_revoke(CLI::App& command);
Run add_allow(CLI::App& command);
Run add_clients(CLI::App& command);
Run add_feed(CLI::App& command);
Run add_get(CLI::App& command);
Run add_seed(CLI::App& command);
Run add_sources(CLI::App& command);
Run add_status(CLI::App& command);
Run add_top(CLI::App& command);
Run add_check(CLI::App& command);
Run add_bench(CLI::App& command);

}  // namespace qanat::cli
