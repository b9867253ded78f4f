#include "cli/source_probe.h"

#include <fmt/core.h>

#include <atomic>
#include <boost/json.hpp>
#include <thread>

#include "assess/estimators.h"
#include "base/error.h"
#include "base/quantity.h"
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

}  // namespace

Probe probe(const std::string& name, Duration time, Duration most) {
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
    result.state =
        to_string(opened.error().fault ? entropy::SourceState::failed : entropy::SourceState::gone);
    result.note = opened.error().message;
    return result;
  }
  // A source that gives nothing must not hold up the others.
  Waker waker;
  const TimePoint begin = Clock().now();
  std::atomic<std::size_t> count = 0;
  const auto going_on = [&] {
    const Duration since = Clock().now() - begin;
    return since < time || (since < most && count > 0 && count < start_up_samples);
  };
  std::jthread alarm([&](const std::stop_token& stop) {
    while (!stop.stop_requested() && going_on()) std::this_thread::sleep_for(10ms);
    waker.wake();
  });
  SecretBytes samples(enough);
  bool faulty = false;
  while (count < enough && going_on()) {
    const std::size_t room = std::min<std::size_t>(512, enough - count);
    const auto got = source->read(samples.view().subspan(count, room), waker);
    if (!got) {
      result.note += (result.note.empty() ? "" : "; ") + got.error().message;
      faulty = got.error().fault;
      break;
    }
    if (*got == 0) break;
    count += *got;
  }
  const double took = seconds(Clock().now() - begin);
  alarm.request_stop();
  alarm.join();
  source->close();
  const Bytes all = Bytes(samples.view()).first(count);
  // The claim is held against all of it, below.
  entropy::SourceHealth health(result.claimed, 0, entropy::ClaimPolicy::ignore);
  for (std::size_t at = 0; at + entropy::window_samples <= count; at += entropy::window_samples) {
    const auto verdict =
        health.window(all.subspan(at).first<entropy::window_samples>(), Clock().now());
    if (verdict.alarm != entropy::Alarm::none) {
      result.note =
          fmt::format("{} test failed: {}", to_string(verdict.alarm), explain(verdict.alarm));
    }
    if (health.state() == entropy::SourceState::failed) break;
  }
  result.state = to_string(faulty ? entropy::SourceState::failed : health.state());
  result.samples = count;
  result.rate = took > 0 ? static_cast<double>(count) / took : 0;
  result.measured = std::max(0.0, assess::min_entropy(all));  // no -0.00
  assess::Predictors seen;
  seen.add(all);
  // When it failed, only that is said: a source that is stuck has no claim to compare.
  if (result.credit && health.state() != entropy::SourceState::failed &&
      count >= 2 * entropy::window_samples &&
      entropy::ClaimTest::refutes(seen, result.claimed, entropy::alpha_log2)) {
    if (!result.insist) result.state = refuted;
    result.note =
        fmt::format("measured {:.2f} bits a byte, {:g} claimed: that refutes the claim; {}",
                    result.measured, result.claimed,
                    result.insist ? "credit=insist credits it all the same"
                                  : "correct h=, as nothing of it is credited");
  }
  if (count < start_up_samples && !faulty) {
    const std::string few =
        count == 0 ? "gave nothing"
                   : fmt::format("gave {} of the {} samples that the start-up test takes",
                                 count.load(), start_up_samples);
    result.note = result.note.empty() ? few + "; try a longer --for" : few + "; " + result.note;
  }
  return result;
}

void refuse_bad(const std::vector<Probe>& probes, bool named) {
  std::string wrong;
  std::string silent;
  std::string failed;
  for (const Probe& p : probes) {
    if (p.state == refuted) wrong += (wrong.empty() ? "" : ", ") + p.name;
    if (named && p.state == to_string(entropy::SourceState::failed)) {
      failed += (failed.empty() ? "" : ", ") + p.name;
    } else if (named && p.samples == 0) {
      silent += (silent.empty() ? "" : ", ") + p.name;
    }
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
    problem += fmt::format("{}{} failed; the table says why", problem.empty() ? "" : "; ", failed);
  }
  if (!problem.empty()) throw Failure(problem);
}

void print_table(const std::vector<Probe>& probes) {
  // A longer name has a line of its own.
  constexpr std::size_t name_width = 26;
  fmt::print("{:<26} {:<8} {:>12} {:>8} {:>9} {:>9}\n", "Source", "State", "Rate", "Claimed",
             "Measured", "Samples");
  for (const Probe& p : probes) {
    const bool apart = p.name.size() > name_width;
    if (apart) fmt::print("{}\n", p.name);
    fmt::print("{:<26} {:<8} {:>12} {:>8} {:>9} {:>9}\n", apart ? "" : p.name, p.state,
               format_rate(p.rate), p.credit ? fmt::format("{:.2f}", p.claimed) : "0",
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

}  // namespace qanat::cli
