#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <ctime>

#include "base/shown.h"
#include "cli/command.h"
#include "cli/control.h"
#include "node/alarms.h"
#include "node/config.h"
#include "node/config_path.h"

namespace qanat::cli {

namespace json = boost::json;

namespace {

// Ten alarms of ten tries of ten minutes would be hours: whoever waits so long has seen enough.
constexpr Duration most_patience = std::chrono::minutes(15);

struct AlarmOptions {
  std::string state;
  std::string config;
};

// One line; whether it arrived.
bool tell(const std::string& name, std::string problem) {
  // A message begins with whom it is of, as the line does.
  if (problem.starts_with(name + " ")) problem.erase(0, name.size() + 1);
  if (problem.empty()) {
    fmt::print("ok      {}\n", escaped(name));
  } else {
    fmt::print("failed  {}: {}\n", escaped(name), escaped(problem));
  }
  std::fflush(stdout);
  return problem.empty();
}

int none_of(const std::string& where) {
  throw Failure(
      fmt::format("{} has no [[alarm]]; docs/monitoring.md tells how to write one", where));
}

// As the account and with the rights that the node has.
int test_in_node(const std::string& state, const json::value& begun) {
  if (begun.at("alarms").to_number<std::size_t>() == 0) return none_of("the running node");
  const auto done = ask_node(state, "POST", "/control/alarm-tested", {}, most_patience);
  if (!done) no_node(state);
  bool all = true;
  for (const json::value& tried : done->at("tried").as_array()) {
    all =
        tell(tried.at("name").as_string().c_str(), tried.at("problem").as_string().c_str()) && all;
  }
  return all ? 0 : 1;
}

int test_here(const std::string& path) {
  const node::Config config = node::load_config(path);
  if (config.alarms.empty()) return none_of(path);
  const Waker never;
  bool all = true;
  for (const observe::AlarmRule& rule : config.alarms) {
    const auto sent = node::send_alarm(rule, node::trial_event(), "none", 0, never);
    all = tell(rule.name(), sent ? "" : sent.error().message) && all;
  }
  return all ? 0 : 1;
}

int test(const AlarmOptions& options) {
  if (!options.config.empty()) return test_here(options.config);
  const std::string state = state_path(options.state);
  if (const auto begun = ask_node(state, "POST", "/control/alarm-test")) {
    return test_in_node(state, *begun);
  }
  if (!options.state.empty()) no_node(state);
  return test_here(node::default_config_path());
}

}  // namespace

Run add_alarm(CLI::App& command) {
  auto options = std::make_shared<AlarmOptions>();
  command.require_subcommand(1);
  CLI::App* const trial =
      command.add_subcommand("test", "Send a trial event to each alarm, and say what came of it");
  trial->add_option("--state", options->state, "The running node's state directory");
  trial->add_option("--config", options->config,
                    "The alarms of this file, sent from here, instead of a running node's");
  return [options] { return test(*options); };
}

}  // namespace qanat::cli
