#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/log.h"
#include "base/quantity.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/run_node.h"
#include "cli/upstream_argument.h"
#include "machine/boot_seed.h"
#include "machine/daemon.h"
#include "serve/options.h"
#include "spec/options.h"
#include "wire/join_string.h"

namespace qanat::cli {

using namespace std::chrono_literals;

namespace {

struct FeedOptions {
  std::vector<std::string> upstreams;
  std::vector<std::string> outlets;
  std::vector<std::string> on_reseed;
  std::string every = "60s";
  std::string bytes = "64";
  std::string wait = "30s";
  std::string state;
  std::string log;
  std::size_t quorum = 1;
  bool once = false;
};

// Whether each outlet has delivered at least once.
bool all_fed(const node::Node& node) {
  const auto outlets = node.report().outlets;
  return std::all_of(outlets.begin(), outlets.end(),
                     [](const auto& outlet) { return outlet.deliveries > 0; });
}

std::string why_not_fed(const node::Node& node) {
  const auto report = node.report();
  for (const auto& outlet : report.outlets) {
    if (!outlet.problem.empty()) return outlet.problem;
  }
  for (const auto& source : report.sources) {
    if (source.detail.empty()) continue;
    const bool answered = source.detail.find(" answered ") != std::string::npos;
    return source.detail +
           (answered ? "" : "; see that the hub runs and can be reached, or wait longer (--wait)");
  }
  return "the upstream gave nothing";
}

// With --once: 0 as soon as every outlet was fed, 1 when that will not be.
int run_once(node::NodeSettings settings, Duration patience) {
  settings.on_fed = machine::nudge;
  settings.generation_path = machine::Generation::usual_path();
  const auto separation = prepare_node(settings, {}, "");
  machine::Signals signals;
  node::Node node(std::move(settings));
  node.start();
  const TimePoint end = Clock().now() + patience;
  std::string why;
  bool fed = false;
  while (!fed && why.empty()) {
    // Woken by each delivery; looks for what makes waiting useless in between.
    constexpr Duration look_interval = 100ms;
    const bool stopped = signals.wait(look_interval) == machine::Signal::stop;
    fed = all_fed(node);
    if (fed) break;
    why = stopped ? "stopped" : node.hopeless();
    if (why.empty() && Clock().now() >= end) {
      why = fmt::format("not fed within {}: {}", format_duration(patience), why_not_fed(node));
    }
  }
  // Cookies for the next boot are fetched once the machine is fed.
  constexpr Duration most_rest = 2s;
  const TimePoint rest_end = Clock().now() + most_rest;
  while (fed && !node.at_rest() && Clock().now() < rest_end) signals.wait(2ms);
  end_node(node, signals, fed ? "" : why);
  if (!fed) throw Failure(why);
  return 0;
}

constexpr std::string_view boot_seed_type = "seed";

// Those among the upstreams that are files of the machine's own: they go to the kernel before
// anything in this process asks it for a random byte. False when one was not credited.
bool use_boot_seeds(FeedOptions& options) {
  const auto is_boot_seed = [](const std::string& argument) {
    const auto spec = spec::parse_spec(argument);
    return spec && spec->type == boot_seed_type && !wire::looks_like_join_string(argument);
  };
  if (std::all_of(options.upstreams.begin(), options.upstreams.end(), is_boot_seed)) {
    for (const std::string& outlet : options.outlets) {
      if (outlet == "kernel") continue;
      throw Failure(fmt::format(
          "--outlet {}: a seed: goes to the kernel alone; give another upstream for the outlet",
          outlet));
    }
  }
  const node::StateDir state(feed_state_path(options.state));
  bool all = true;
  std::vector<std::string> others;
  for (const std::string& argument : options.upstreams) {
    if (!is_boot_seed(argument)) {
      others.push_back(argument);
      continue;
    }
    const auto spec = spec::parse_spec(argument);
    for (const auto& [key, value] : spec->options) {
      if (key == "credit") continue;
      throw Failure(fmt::format("{}: unknown option '{}'; known: credit", argument, key));
    }
    if (spec->target.empty()) throw Failure(argument + ": says no path; write seed:PATH");
    const machine::BootSeed seed{spec->target, spec::yes_or_no(*spec, "credit", true),
                                 spec->option("credit").has_value()};
    // Where it cannot be made, that is said below.
    (void)state.prepare();
    const auto use = machine::use_boot_seed(seed, state.used_seeds(), machine::give_to_kernel);
    if (!use) throw Failure(argument + ": " + use.error().message);
    log_info("{}: {} bytes given to the kernel, credited {} bits{}{}", argument, use->bytes,
             use->credited ? 8 * use->bytes : 0, use->removed ? "; its file is removed" : "",
             use->why_not.empty() ? "" : ": " + use->why_not);
    all = all && use->credited;
  }
  options.upstreams = std::move(others);
  return all;
}

// How often, how much, from whom.
node::FeedSettings feed_settings(const FeedOptions& options) {
  node::FeedSettings feed;
  const auto every = parse_duration(options.every);
  const auto bytes = parse_size(options.bytes);
  if (!every || *every < 1s) {
    throw UsageError("--every " + options.every + " is not a duration of at least 1s; try 60s");
  }
  if (!bytes || *bytes < serve::least_scheduled_bytes || *bytes > serve::most_scheduled_bytes) {
    throw UsageError("--bytes " + options.bytes + ": from 32 (256 bits) to 512");
  }
  feed.schedule.every = *every;
  feed.schedule.bytes = static_cast<std::size_t>(*bytes);
  feed.quorum = options.quorum;
  return feed;
}

// Each is asked for what it is: what comes from a file is read here.
std::vector<std::string> read_upstreams(const FeedOptions& options) {
  std::vector<std::string> upstreams;
  for (const std::string& argument : options.upstreams) {
    if (!sources::is_host_seed(argument)) {
      upstreams.push_back(read_upstream_argument(argument));
      continue;
    }
    const auto port = sources::describe_source(argument);
    if (options.quorum > 1 && port.credit) {
      throw Failure(
          argument +
          ": the host is not an upstream with a key of its own, and counts for no quorum; "
          "add credit=no to mix its seeds in");
    }
    upstreams.push_back(argument);
  }
  return upstreams;
}

// What a feed can feed.
void check_outlet(const std::string& outlet, bool once) {
  const outlets::OutletPlan plan = outlets::plan_outlet(outlet);
  if (once && plan.awaits_reader) {
    throw Failure(outlet +
                  ": a FIFO waits for its reader, and --once for nobody: leave out --once, or "
                  "feed another outlet");
  }
  if (plan.serves_store) {
    throw Failure(outlet +
                  ": a feed keeps nothing that it could serve; use 'qanat serve --source "
                  "UPSTREAM' for a relay");
  }
}

int run_feed(FeedOptions& options) {
  const bool credited = use_boot_seeds(options);
  if (options.upstreams.empty()) {
    if (!options.once) throw Failure("a boot seed is used once: add --once, or other upstreams");
    return credited ? 0 : 1;
  }
  initialise_secret_memory();
  node::NodeSettings settings;
  settings.state_path = feed_state_path(options.state);
  settings.config.outlets = options.outlets;
  if (settings.config.outlets.empty()) settings.config.outlets.emplace_back("kernel");
  for (const std::string& outlet : settings.config.outlets) {
    as_usage([&] { return outlets::plan_outlet(outlet); });
  }
  settings.feed = feed_settings(options);
  const auto wait = parse_duration(options.wait);
  if (!wait || *wait == 0s) {
    throw UsageError("--wait " + options.wait + " is not a duration of at least 1ms; try 30s");
  }
  settings.feed->upstreams = read_upstreams(options);
  settings.config.on_reseed = options.on_reseed;
  settings.config.observe.log = log_format(options.log);
  node::check_config(settings.config);
  for (const std::string& outlet : settings.config.outlets) check_outlet(outlet, options.once);
  return options.once ? run_once(std::move(settings), *wait)
                      : run_node(std::move(settings), {}, "");
}

}  // namespace

Run add_feed(CLI::App& command) {
  auto options = std::make_shared<FeedOptions>();
  command
      .add_option(
          "upstream", options->upstreams,
          "Join string, https://HOST:PORT, @FILE that holds one, or - for standard input; in "
          "a guest vmport:/dev/virtio-ports/org.qanat.0, vsock:2:PORT, or seed:FILE, a boot seed")
      ->required();
  command
      .add_option(
          "--outlet", options->outlets,
          "What is fed: kernel, fifo:PATH, file:PATH (a boot seed), stdout, or another that "
          "delivers by itself; repeatable (default: kernel)")
      ->allow_extra_args(false);
  command.add_option("--every", options->every, "Time between two feeds (default: 60s)");
  command.add_option("--bytes", options->bytes, "Bytes a feed, 32 to 512 (default: 64)");
  command.add_flag("--once", options->once, "Feed once, then end");
  command.add_option("--wait", options->wait,
                     "With --once: give up after this time (default: 30s)");
  command
      .add_option("--quorum", options->quorum,
                  "Credit only what so many upstreams with different keys have contributed to "
                  "(default: 1)")
      ->check(CLI::Range(std::size_t{1}, node::most_quorum));
  command
      .add_option("--on-reseed", options->on_reseed,
                  "A command to run when this machine may be a copy of another and was seeded "
                  "anew; repeatable")
      ->allow_extra_args(false);
  command.add_option("--state", options->state, "State directory (default: /var/lib/qanat/feed)");
  add_log_option(command, options->log);
  return [options] { return run_feed(*options); };
}

}  // namespace qanat::cli
