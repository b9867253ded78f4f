#include <fmt/core.h>
#include <glob.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <thread>

#include "assess/estimators.h"
#include "base/quantity.h"
#include "cli/command.h"
#include "cli/control.h"
#include "entropy/health_cutoffs.h"
#include "entropy/source_health.h"
#include "sources/registry.h"
#include "sources/source.h"

namespace qanat::cli {

using namespace std::chrono_literals;

namespace {

constexpr std::string_view refuted = "refuted";
constexpr std::size_t start_up_samples =
    entropy::SourceHealth::start_up_windows * entropy::window_samples;

struct Probe {
  std::string name;
  std::string state = "start-up";
  double rate = 0;
  double claimed = 0;
  double measured = 0;
  std::size_t samples = 0;
  bool credit = true;
  bool insist = false;
  std::string note;
};

std::vector<std::string> candidates() {
  std::vector<std::string> names = sources::default_sources();
  glob_t found{};
  for (const char* const pattern : {"/dev/ttyUSB*", "/dev/ttyACM*"}) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs yet
    if (::glob(pattern, 0, nullptr, &found) == 0) {
      for (std::size_t i = 0; i < found.gl_pathc; ++i) {
        names.push_back(fmt::format("device:{}", found.gl_pathv[i]));
      }
    }
    ::globfree(&found);
  }
  return names;
}

// Reads for `time` at most, or until there are enough samples for an estimate worth its name.
Probe probe(const std::string& name, Duration time) {
  constexpr std::size_t enough = 1 << 20;
  const auto described = sources::describe_source(name);
  Probe result{.name = described.name,
               .claimed = described.h,
               .credit = described.credit,
               .insist = described.insist,
               .note = described.note};
  const Waker never;
  const auto source = sources::make_probe(name);
  if (auto opened = source->open(never); !opened) {
    result.state = "gone";
    result.note = opened.error().message;
    return result;
  }
  // A source that gives nothing must not hold up the others.
  Waker waker;
  const TimePoint begin = Clock().now();
  std::jthread alarm([&](const std::stop_token& stop) {
    while (!stop.stop_requested() && Clock().now() - begin < time)
      std::this_thread::sleep_for(10ms);
    waker.wake();
  });
  SecretBytes samples(enough);
  std::size_t count = 0;
  while (count < enough && Clock().now() - begin < time) {
    const std::size_t room = std::min<std::size_t>(512, enough - count);
    const auto got = source->read(samples.view().subspan(count, room), waker);
    if (!got) {
      result.note = got.error().message;
      break;
    }
    if (*got == 0) break;
    count += *got;
  }
  const double took = seconds(Clock().now() - begin);
  alarm.request_stop();
  source->close();
  const Bytes all = Bytes(samples.view()).first(count);
  // The claim is held against all of it, below.
  entropy::SourceHealth health(result.claimed, 0, entropy::ClaimPolicy::ignore);
  for (std::size_t at = 0; at + entropy::window_samples <= count; at += entropy::window_samples) {
    const auto verdict =
        health.window(all.subspan(at).first<entropy::window_samples>(), Clock().now());
    if (verdict.alarm != entropy::Alarm::none) {
      result.note = fmt::format("{} test failed", to_string(verdict.alarm));
    }
    if (health.state() == entropy::SourceState::failed) break;
  }
  result.state = to_string(health.state());
  result.samples = count;
  result.rate = took > 0 ? static_cast<double>(count) / took : 0;
  result.measured = std::max(0.0, assess::min_entropy(all));  // no -0.00
  assess::Predictors seen;
  seen.add(all);
  if (result.credit && count >= 2 * entropy::window_samples &&
      entropy::ClaimTest::refutes(seen, result.claimed, entropy::alpha_log2)) {
    if (!result.insist) result.state = refuted;
    result.note =
        fmt::format("measured {:.2f} bits a byte, {:g} claimed: that refutes the claim; {}",
                    result.measured, result.claimed,
                    result.insist ? "credit=insist credits it all the same"
                                  : "correct h=, as nothing of it is credited");
  }
  if (count < start_up_samples) {
    const std::string few =
        count == 0 ? "gave nothing"
                   : fmt::format("gave {} of the {} samples that the start-up test takes", count,
                                 start_up_samples);
    result.note = result.note.empty() ? few + "; try a longer --for" : few + "; " + result.note;
  }
  return result;
}

// For the exit code: what an operator should change. `named`: he says that they are there.
void refuse_bad(const std::vector<Probe>& probes, bool named) {
  std::string wrong;
  std::string silent;
  std::string failed;
  for (const Probe& p : probes) {
    if (p.state == refuted) wrong += (wrong.empty() ? "" : ", ") + p.name;
    if (named && p.state == to_string(entropy::SourceState::failed)) {
      failed += (failed.empty() ? "" : ", ") + p.name;
    }
    if (named && p.samples == 0) silent += (silent.empty() ? "" : ", ") + p.name;
  }
  std::string problem;
  if (!wrong.empty()) {
    problem = fmt::format("too much is claimed of {}: correct h=, or say credit=no", wrong);
  }
  if (!silent.empty()) {
    problem += fmt::format("{}nothing could be read from {}; the table says why",
                           problem.empty() ? "" : "; ", silent);
  }
  if (!failed.empty()) {
    problem += fmt::format("{}{} failed the health tests; the table says which",
                           problem.empty() ? "" : "; ", failed);
  }
  if (!problem.empty()) throw Failure(problem);
}

void print_table(const std::vector<Probe>& probes) {
  fmt::print("{:<26} {:<8} {:>12} {:>8} {:>9} {:>9}\n", "Source", "State", "Rate", "Claimed",
             "Measured", "Samples");
  for (const Probe& p : probes) {
    fmt::print("{:<26} {:<8} {:>12} {:>8} {:>9} {:>9}\n", p.name, p.state, format_rate(p.rate),
               p.credit ? fmt::format("{:.2f}", p.claimed) : "0",
               p.samples >= start_up_samples ? fmt::format("{:.2f}", p.measured) : "-", p.samples);
    if (!p.note.empty()) fmt::print("  {}\n", p.note);
  }
  fmt::print(
      "\nClaimed and Measured: min-entropy, bits per byte. Measured is the least of four\n"
      "estimates after SP 800-90B 6.3 (most common value, lag, Markov, repetition): it\n"
      "can refute a claim, and never prove one.\n");
}

void print_json(const std::vector<Probe>& probes) {
  boost::json::array list;
  for (const Probe& p : probes) {
    list.push_back(boost::json::object{{"name", p.name},
                                       {"state", p.state},
                                       {"rate", p.rate},
                                       {"h", p.claimed},
                                       {"credit", p.credit},
                                       {"measured", p.measured},
                                       {"samples", p.samples},
                                       {"note", p.note}});
  }
  fmt::print("{}\n", boost::json::serialize(list));
}

}  // namespace

Run add_sources(CLI::App& command) {
  struct Options {
    std::vector<std::string> names;
    std::string time = "1s";
    std::string state;
    bool as_json = false;
    bool retest = false;
  };
  auto options = std::make_shared<Options>();
  command.add_option("source", options->names, "Sources to try (default: what this machine has)");
  command.add_option("--for", options->time, "How long to read each (1s)");
  command.add_flag("--json", options->as_json, "For scripts");
  command.add_flag("--retest", options->retest,
                   "Make a running node repeat the start-up tests of its sources");
  command.add_option("--state", options->state, "With --retest: the node's state directory");
  return [options] {
    if (options->retest) {
      if (options->as_json || !options->names.empty()) {
        throw UsageError(
            "--retest repeats the tests of all sources of a running node; give it alone");
      }
      ask_running_node(state_path(options->state), "POST", "/control/retest");
      return 0;
    }
    const auto time = parse_duration(options->time);
    if (!time || *time == 0s) {
      throw UsageError("--for " + options->time + " is not a duration of at least 1ms; try 1s");
    }
    for (const std::string& name : options->names) {
      as_usage([&] { return sources::describe_source(name); });
      if (sources::make_probe(name) == nullptr) {
        throw UsageError(name +
                         ": what another sends cannot be tried here; a node that has it as a "
                         "source shows it in 'qanat status'");
      }
    }
    std::vector<Probe> probes;
    for (const std::string& name : options->names.empty() ? candidates() : options->names) {
      probes.push_back(probe(name, *time));
    }
    options->as_json ? print_json(probes) : print_table(probes);
    refuse_bad(probes, !options->names.empty());
    return 0;
  };
}

}  // namespace qanat::cli
