// The subcommands, one file each.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"

namespace CLI {
class App;
}

namespace qanat::cli {

// Sets up its options and returns what runs it: the exit code, 0 done or 1 failed. A Failure that
// it throws is printed as one line and is exit code 1; a UsageError is exit code 2.
using Run = std::function<int()>;

// The value of an option or an argument is not one that it can have.
class UsageError : public Failure {
 public:
  using Failure::Failure;
};

// What `check` gives; a Failure of it is a matter of usage.
template <typename Check>
auto as_usage(const Check& check) {
  try {
    return check();
  } catch (const Failure& problem) {
    throw UsageError(problem.what());
  }
}

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
Run add_events(CLI::App& command);
Run add_alarm(CLI::App& command);
Run add_check(CLI::App& command);
Run add_doctor(CLI::App& command);
Run add_bench(CLI::App& command);
Run add_entropykey(CLI::App& command);
Run add_wait(CLI::App& command);
Run add_completion(CLI::App& command);
Run add_help(CLI::App& command);
Run add_manual(CLI::App& command);
Run add_version(CLI::App& command);

// "qanat 0.1.0", and in further lines what it was built with.
std::string version_text();

}  // namespace qanat::cli
