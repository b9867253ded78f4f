#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cmath>
#include <csignal>

#include "base/quantity.h"
#include "cli/command.h"
#include "cli/trickle_load.h"
#include "cli/upstream_argument.h"
#include "peers/trickle_client.h"
#include "sources/registry.h"
#include "sources/upstream/names.h"
#include "spec/grade.h"

namespace qanat::cli {
namespace {

struct BenchOptions {
  std::string host;
  std::size_t clients = 100;
  double rate = 0;
  std::string length = "10s";
  std::size_t bytes = 64;
  std::string grade = "drbg";
  bool json = false;
};

// A line for each doubling in which there is anything, longest bar for the most.
void print_histogram(const std::vector<float>& latencies) {
  constexpr double bar = 40;
  std::map<int, std::size_t> boxes;
  for (const float latency : latencies) {
    ++boxes[static_cast<int>(std::floor(std::log2(std::max(latency, 1e-6F) * 1e6F)))];
  }
  std::size_t most = 1;
  for (const auto& [box, count] : boxes) most = std::max(most, count);
  for (const auto& [box, count] : boxes) {
    const double part = static_cast<double>(count) / static_cast<double>(most);
    fmt::print("  < {:>9.3f} ms {:>9}  {}\n", std::exp2(box + 1) / 1000, count,
               std::string(static_cast<std::size_t>(std::ceil(bar * part)), '#'));
  }
}

void print_text(const BenchOptions& options, const TrickleLoadResult& result) {
  const auto per_second = [&](std::uint64_t count) {
    return static_cast<double>(count) / result.seconds;
  };
  const auto ms = [&](double part) { return 1000 * result.latency_at(part); };
  fmt::print("clients   {}\n", options.clients);
  fmt::print("sent      {} ({:.0f}/s)\n", result.sent, per_second(result.sent));
  fmt::print("answered  {} ({:.0f}/s, {} bytes of grade {} each)\n", result.answered,
             per_second(result.answered), options.bytes, options.grade);
  fmt::print("lost      {} ({:.3f} %)\n", result.lost,
             100.0 * static_cast<double>(result.lost) /
                 static_cast<double>(std::max<std::uint64_t>(result.sent, 1)));
  fmt::print("refused   {}\n", result.refused);
  fmt::print("strays    {}\n", result.strays);
  fmt::print("equal     {}\n", result.equal);
  fmt::print("latency   p50 {:.3f} ms, p99 {:.3f} ms, p99.9 {:.3f} ms, max {:.3f} ms\n", ms(0.5),
             ms(0.99), ms(0.999), ms(1));
  print_histogram(result.latencies);
}

void print_json(const BenchOptions& options, const TrickleLoadResult& result) {
  const boost::json::object document{{"clients", options.clients},
                                     {"seconds", result.seconds},
                                     {"sent", result.sent},
                                     {"answered", result.answered},
                                     {"lost", result.lost},
                                     {"refused", result.refused},
                                     {"strays", result.strays},
                                     {"equal", result.equal},
                                     {"p50", result.latency_at(0.5)},
                                     {"p99", result.latency_at(0.99)},
                                     {"p99.9", result.latency_at(0.999)},
                                     {"max", result.latency_at(1)}};
  fmt::print("{}\n", boost::json::serialize(document));
}

int run_trickle(const BenchOptions& options) {
  TrickleLoad load;
  load.clients = options.clients;
  load.rate = options.rate;
  load.bytes = options.bytes;
  const auto length = parse_duration(options.length);
  if (!length || *length == Duration::zero()) {
    throw UsageError("--for " + options.length + " is not a duration of at least 1ms; try 10s");
  }
  load.length = *length;
  const auto grade = spec::parse_grade(options.grade);
  if (!grade) throw UsageError("--grade " + options.grade + ": full or drbg");
  load.grade = wire::trickle::only(*grade);
  const TrickleLoadResult result =
      run_trickle_load(sources::parse_upstream(read_upstream_argument(options.host)), load);
  if (options.json) {
    print_json(options, result);
  } else {
    print_text(options, result);
  }
  if (result.equal > 0) throw Failure(fmt::format("{} replies were equal", result.equal));
  if (result.answered == 0) throw Failure("nothing was answered");
  return 0;
}

}  // namespace

Run add_bench(CLI::App& command) {
  command.require_subcommand(1);
  CLI::App* const trickle = command.add_subcommand(
      "trickle", "Clients with sessions of their own that ask for seeds by UDP");
  auto options = std::make_shared<BenchOptions>();
  trickle
      ->add_option("hub", options->host,
                   "Join string, https://HOST:PORT with a certificate, @FILE or -")
      ->required();
  trickle->add_option("--clients", options->clients, "How many (default: 100)")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1000000}));
  trickle
      ->add_option("--rate", options->rate,
                   "Questions a second, all together (default: 0, each asks again when it is "
                   "answered)")
      ->type_name("N")
      ->check(CLI::Range(0.0, 1e7));
  trickle->add_option("--for", options->length, "How long (default: 10s)");
  trickle->add_option("--bytes", options->bytes, "Bytes a seed (default: 64)")
      ->check(CLI::Range(std::size_t{1}, peers::TrickleClient::most_bytes));
  trickle->add_option("--grade", options->grade, "Grade of the bytes (default: drbg)");
  trickle->add_flag("--json", options->json, "One line for programs");
  trickle->footer(
      "Measure at a hub of your own: it is asked as fast as it answers. Ends with 1 if any two\n"
      "replies were equal.");
  return [options] {
    std::signal(SIGPIPE, SIG_IGN);
    return run_trickle(*options);
  };
}

}  // namespace qanat::cli
