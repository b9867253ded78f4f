#include "cli/run_node.h"

#include <cstdlib>

#include "base/log.h"
#include "base/version.h"
#include "node/resume_watch.h"
#include "wire/join_string.h"

namespace qanat::cli {

using namespace std::chrono_literals;

void end_node(node::Node& node, node::Signals& signals, const std::string& problem) {
  const int code = problem.empty() ? 0 : 1;
  constexpr Duration deliveries_in_flight = 2s;
  node::tell_systemd("STOPPING=1");
  signals.end_soon(code);
  bool whole = false;
  try {
    // What has gone from the state directory since the last look is in memory alone.
    node.check_state();
  } catch (const std::exception& failure) {
    log_error("{}: {}", node.state().path(), failure.what());
  }
  try {
    whole = node.stop(deliveries_in_flight);
    log_all_sums();
  } catch (const std::exception& failure) {
    log_error("stopping: {}", failure.what());
  }
  if (whole) return;
  // The reserve is wiped; a thread that sits in a device's read cannot be waited for.
  if (!problem.empty()) log_error("{}", problem);
  std::_Exit(code);
}

namespace {

void handle(node::Signal signal, node::Node& node, const std::function<node::Config()>& reread) {
  if (signal == node::Signal::now) node.renew("SIGUSR1");
  if (signal == node::Signal::reload && reread) {
    node::tell_systemd("RELOADING=1");
    try {
      node.reload(reread());
      log_info("configuration reloaded");
    } catch (const std::exception& problem) {
      log_error("the configuration stays as it was: {}", wire::without_secrets(problem.what()));
    }
    node::tell_systemd("READY=1");
  }
  node.check_state();
  node.check_control_socket();
}

}  // namespace

int run_node(node::NodeSettings settings, const std::function<node::Config()>& reread) {
  node::prepare_process();
  settings.generation_path = node::Generation::usual_path();
  node::Signals signals;
  node::Node node(std::move(settings));
  node.start();
  log_info("qanat {} is running, state in {}", version(), node.state().path());
  for (const auto& outlet : node.snapshot().outlets) log_info("{}: {}", outlet.name, outlet.detail);
  node::tell_systemd("READY=1");
  const node::ResumeWatch watch(
      [&node](const std::string& why) { node.renew(why); },
      [&node](const std::string& why) { node.alarm("resume", "the watch has ended: " + why); });
  for (;;) {
    // Nothing tells that a directory is deleted as surely as a look at it.
    constexpr Duration look_interval = 60s;
    const node::Signal signal = signals.wait(look_interval);
    if (signal == node::Signal::stop) {
      log_info("stopping");
      end_node(node, signals, "");
      return 0;
    }
    try {
      handle(signal, node, reread);
    } catch (const std::exception& problem) {
      log_error("{}", problem.what());
    }
  }
}

}  // namespace qanat::cli
