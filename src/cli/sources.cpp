#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstdio>

#include "base/quantity.h"
#include "cli/capture.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/source_probe.h"
#include "observe/fields.h"
#include "sources/device/usb.h"
#include "sources/registry.h"
#include "sources/source.h"

namespace qanat::cli {

using namespace std::chrono_literals;

namespace {

// Of a source that is slow, until its start-up test is over.
constexpr Duration probe_patience = 12s;

struct SourcesOptions {
  std::vector<std::string> names;
  std::string time;
  std::string state;
  std::string captured;
  std::string samples;
  std::string restarts;
  std::string output;
  bool as_json = false;
  bool retest = false;
  bool all = false;
};

// What this machine has. A serial device that is not known is not opened: that resets an Arduino,
// and a modem takes it for a call.
std::vector<std::string> candidates(const sources::Hardware& hardware) {
  std::vector<std::string> names = sources::default_sources();
  for (const sources::Found& found : hardware.known) {
    if (found.ready) names.push_back(found.line);
  }
  return names;
}

void print_hardware(const sources::Hardware& hardware) {
  for (const sources::Found& found : hardware.known) {
    const bool has_line = !found.line.empty();
    fmt::print("\nFound: {} at {} ({}){}{}\n", found.title, found.where, found.id,
               has_line ? ": write " : "", found.line);
    if (!found.why.empty()) fmt::print("  {}\n", found.why);
  }
  for (const std::string& path : hardware.unknown) {
    fmt::print("\nUnknown serial device, not opened: {}. To try it: qanat sources device:{}\n",
               path, path);
  }
  for (const std::string& driver : hardware.other_hwrngs) {
    fmt::print(
        "\nThe kernel has another hardware RNG, {}: /dev/hwrng reads it once its name is in\n"
        "/sys/class/misc/hw_random/rng_current\n",
        driver);
  }
}

// Of one that runs itself there is nothing to read here.
void require_readable(const std::string& name) {
  as_usage([&] { return sources::describe_source(name); });
  if (sources::make_probe(name) == nullptr) {
    throw UsageError(name +
                     ": it gives no samples that could be tried here; 'qanat status' shows how it "
                     "is in a node that has it as a source");
  }
}

// Behind `first`, and from there on below it, in lines of at most 80 columns.
void print_wrapped(std::string first, const std::string& text) {
  constexpr std::size_t columns = 80;
  const std::string indent(first.size(), ' ');
  for (const std::string& line : observe::wrap(text, columns - indent.size())) {
    fmt::print("{}{}\n", first, line);
    first = indent;
  }
}

void print_types(bool as_json) {
  boost::json::array list;
  if (!as_json) fmt::print("{:<24} {:<4} {:>4}  {}\n", "Type", "Here", "h", "What it is");
  for (const sources::TypeDescription& type : sources::describe_types()) {
    if (as_json) {
      list.push_back(boost::json::object{{"type", type.name},
                                         {"target", type.target},
                                         {"available", type.availability.here},
                                         {"why", type.availability.why},
                                         {"h", type.h},
                                         {"credit", type.credit},
                                         {"summary", type.summary}});
      continue;
    }
    const bool may = type.target.starts_with('[');
    const std::string name =
        type.target.empty() ? type.name
        : may ? fmt::format("{}[:{}]", type.name, type.target.substr(1, type.target.size() - 2))
              : fmt::format("{}:{}", type.name, type.target);
    const bool apart = name.size() > 24;
    if (apart) fmt::print("{}\n", name);
    print_wrapped(fmt::format("{:<24} {:<4} {:>4}  ", apart ? "" : name,
                              type.availability.here ? "yes" : "no",
                              type.credit ? fmt::format("{:g}", type.h) : "0"),
                  type.summary);
    if (!type.availability.why.empty()) print_wrapped("    ", type.availability.why);
  }
  if (as_json) {
    fmt::print("{}\n", boost::json::serialize(list));
    return;
  }
  fmt::print(
      "\nBeside these: another node by its URL or a join string. h: min-entropy that is\n"
      "claimed where you claim nothing, bits per byte. 'qanat sources NAME' tries one.\n");
}

int capture_samples(const SourcesOptions& options) {
  if (!options.names.empty() || options.all || options.as_json) {
    throw UsageError("--capture takes the samples of the one source that it names; give it alone");
  }
  if (options.output.empty()) throw UsageError("--capture needs --output FILE for the samples");
  require_readable(options.captured);
  const auto samples = parse_size(options.samples.empty() ? "1M" : options.samples);
  if (!samples || *samples == 0) {
    throw UsageError("--samples " + options.samples + " is not a number of samples; try 1M");
  }
  std::uint64_t restarts = 0;
  if (!options.restarts.empty()) {
    restarts = parse_size(options.restarts).value_or(0);
    if (restarts == 0) {
      throw UsageError("--restarts " + options.restarts +
                       " is not a number of 1 or more; try 1000");
    }
    if (*samples % restarts != 0) {
      throw UsageError(
          fmt::format("--samples {} is not a multiple of --restarts {}: each restart "
                      "gives as many",
                      *samples, restarts));
    }
  }
  capture({.source = options.captured,
           .samples = *samples,
           .restarts = restarts,
           .output = options.output});
  return 0;
}

int probe_sources(const SourcesOptions& options) {
  const auto time = options.time.empty() ? 1s : parse_duration(options.time);
  if (!time || *time == 0s) {
    throw UsageError("--for " + options.time + " is not a duration of at least 1ms; try 1s");
  }
  for (const std::string& name : options.names) require_readable(name);
  std::vector<Probe> probes;
  const bool look = options.names.empty();
  const sources::Hardware hardware = look ? sources::find_hardware() : sources::Hardware();
  for (const std::string& name : look ? candidates(hardware) : options.names) {
    probes.push_back(probe(name, *time, options.time.empty() ? probe_patience : *time));
  }
  options.as_json ? print_json(probes) : print_table(probes);
  if (!options.as_json) print_hardware(hardware);
  refuse_bad(probes, !options.names.empty());
  return 0;
}

int run_sources(const SourcesOptions& options) {
  if (options.retest) {
    if (options.as_json || options.all || !options.captured.empty() || !options.names.empty()) {
      throw UsageError(
          "--retest repeats the tests of all sources of a running node; give it alone");
    }
    ask_running_node(state_path(options.state), "POST", "/control/retest");
    return 0;
  }
  if (!options.captured.empty()) return capture_samples(options);
  if (!options.output.empty() || !options.restarts.empty() || !options.samples.empty()) {
    throw UsageError("--samples, --output and --restarts belong to --capture NAME");
  }
  if (options.all) {
    if (!options.names.empty()) throw UsageError("--all lists every type; give it alone");
    print_types(options.as_json);
    return 0;
  }
  return probe_sources(options);
}

}  // namespace

Run add_sources(CLI::App& command) {
  auto options = std::make_shared<SourcesOptions>();
  command.add_option("source", options->names, "Sources to try (default: what this machine has)");
  command.add_option("--for", options->time,
                     "How long to read each (default: 1s, a slow one longer)");
  command.add_flag("--all", options->all,
                   "List every type, and why it is or is not available here");
  command.add_option("--capture", options->captured, "Write raw samples of this source to a file")
      ->type_name("SOURCE");
  command.add_option("--samples", options->samples, "With --capture: how many (default: 1M)");
  command.add_option("--restarts", options->restarts,
                     "With --capture: open it anew so often, for a row of samples each");
  command
      .add_option("--output", options->output,
                  "With --capture: the file, one byte a sample; FILE.json says the rest")
      ->type_name("FILE");
  command.add_flag("--json", options->as_json, "For scripts");
  command.add_flag("--retest", options->retest,
                   "Make a running node repeat the start-up tests of its sources");
  command.add_option("--state", options->state, "With --retest: the node's state directory");
  return [options] { return run_sources(*options); };
}

}  // namespace qanat::cli
