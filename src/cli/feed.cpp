#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <atomic>

#include "base/log.h"
#include "base/quantity.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/run_node.h"
#include "cli/upstream_argument.h"
#include "node/daemon.h"

namespace qanat::cli {

using namespace std::chrono_literals;

namespace {

struct Options {
  std::vector<std::string> upstreams;
  std::vector<std::string> outlets;
  std::string every = "60s";
  std::string bytes = "64";
  std::string wait = "30s";
  std::string state;
  bool once = false;
};

// With --once: 0 as soon as every outlet was fed, 1 when that will not be.
int run_once(node::NodeSettings settings, Duration patience) {
  node::prepare_process();
  // One outlet may be fed twice while another waits: the count of those fed at all decides.
  const std::size_t outlets = settings.config.outlets.size();
  std::atomic<std::size_t> fed{0};
  settings.on_fed = [&] {
    if (++fed >= outlets) node::ask_to_stop();
  };
  node::Node node(std::move(settings));
  node.start();
  const TimePoint end = Clock().now() + patience;
  std::string why;
  while (fed < outlets && why.empty() && Clock().now() < end) {
    constexpr Duration look_interval = 100ms;
    if (node::wait_for_signal(look_interval) == node::Signal::stop && fed < outlets)
      why = "stopped";
    if (fed < outlets && why.empty()) why = node.hopeless();
  }
  if (why.empty() && fed < outlets) {
    for (const auto& source : node.snapshot().sources) why = source.detail;
    for (const auto& outlet : node.snapshot().outlets) {
      if (!outlet.problem.empty()) why = outlet.problem;
    }
    why = fmt::format("not fed within {}: {}", format_duration(patience),
                      why.empty() ? "the upstream gave nothing" : why);
  }
  end_node(node);
  if (fed >= outlets) return 0;
  throw Failure(why);
}

}  // namespace

Run add_feed(CLI::App& command) {
  auto options = std::make_shared<Options>();
  command
      .add_option("upstream", options->upstreams,
                  "Join string, https://HOST:PORT, @FILE that holds one, or - for standard input")
      ->required();
  command
      .add_option("--outlet", options->outlets,
                  "kernel (default), fifo:PATH, file:PATH (boot seed), stdout; repeatable")
      ->allow_extra_args(false);
  command.add_option("--every", options->every, "Time between two feeds (60s)");
  command.add_option("--bytes", options->bytes, "Bytes a feed, 32 to 512 (64)");
  command.add_option("--wait", options->wait, "With --once: give up after this time (30s)");
  command.add_option("--state", options->state, "State directory");
  command.add_flag("--once", options->once, "Feed once, then end");
  return [options] {
    node::NodeSettings settings;
    settings.state_path = options->state.empty() ? default_feed_state() : options->state;
    settings.config.outlets = options->outlets;
    if (settings.config.outlets.empty()) settings.config.outlets.emplace_back("kernel");
    node::FeedSettings feed;
    const auto every = parse_duration(options->every);
    const auto bytes = parse_size(options->bytes);
    const auto wait = parse_duration(options->wait);
    if (!every || *every < 1s) throw Failure("--every " + options->every + ": 1s or more");
    if (!bytes || *bytes < 32 || *bytes > 512) {
      throw Failure("--bytes " + options->bytes + ": from 32 (256 bits) to 512");
    }
    if (!wait || *wait == 0s) throw Failure("--wait " + options->wait + ": a time, such as 30s");
    feed.schedule = {*every, static_cast<std::size_t>(*bytes)};
    for (const std::string& argument : options->upstreams) {
      feed.upstreams.push_back(read_upstream_argument(argument));
    }
    settings.feed = std::move(feed);
    node::check_config(settings.config);
    for (const std::string& outlet : settings.config.outlets) {
      if (outlet.starts_with("http")) {
        throw Failure(outlet +
                      ": a feed keeps nothing that it could serve; use 'qanat serve --source "
                      "UPSTREAM' for a relay");
      }
    }
    return options->once ? run_once(std::move(settings), *wait) : run_node(std::move(settings), {});
  };
}

}  // namespace qanat::cli
