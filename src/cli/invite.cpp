#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "base/quantity.h"
#include "cli/command.h"
#include "cli/control.h"
#include "node/client_store.h"
#include "wire/spec.h"

namespace qanat::cli {
namespace {

// A node that has just started has proved nothing: its sources do so within seconds.
constexpr Duration proof_of_supply = std::chrono::seconds(10);

struct Options {
  std::string name;
  std::string rate;
  std::string burst;
  double weight = 1;
  std::string address;
  std::string state;
};

std::uint64_t parsed_or_zero(const std::string& text, const char* what,
                             std::optional<std::uint64_t> (*parse)(std::string_view)) {
  if (text.empty()) return 0;
  const auto value = parse(text);
  if (!value)
    throw Failure(fmt::format("{} {} is not understood; write it like 1KiB/s", what, text));
  return *value;
}

share::Flow flow_without_node(const std::string&, const share::Terms& terms) {
  return share::Flow(terms);
}

// Without a running node: the state that the next one starts from.
std::string invite_offline(const node::StateDir& state, const Options& options,
                           share::Terms terms) {
  if (auto ready = state.prepare(); !ready) throw Failure(ready.error().message);
  const auto lock = state.lock();
  if (!lock) throw Failure(lock.error().message);
  const std::string address =
      options.address.empty() ? state.address().value_or("") : options.address;
  if (address.empty()) {
    throw Failure(fmt::format(
        "no node runs with the state directory {}, so its address is not known; start it with "
        "--outlet https://0.0.0.0:7749, or give --address HOST:PORT",
        state.path()));
  }
  share::ClientBook book(flow_without_node);
  node::ClientStore store(state, book);
  const auto join = store.invite(options.name, terms, address, state.identity().pin);
  if (!join) throw Failure(join.error().message);
  return *join;
}

}  // namespace

Run add_invite(CLI::App& command) {
  auto options = std::make_shared<Options>();
  command.add_option("name", options->name, "The client's name")->required();
  command.add_option("--rate", options->rate, "Guaranteed rate of grade full, such as 1KiB/s");
  command.add_option("--burst", options->burst,
                     "Of the guarantee, bytes at once after a pause (a second's worth)");
  command.add_option("--weight", options->weight, "Weight in sharing what guarantees leave")
      ->check(CLI::Range(share::least_weight, share::most_weight));
  command.add_option("--address", options->address,
                     "HOST:PORT at which the client reaches the node");
  command.add_option("--state", options->state, "The node's state directory");
  return [options] {
    const share::Terms terms{parsed_or_zero(options->rate, "--rate", parse_rate),
                             parsed_or_zero(options->burst, "--burst", parse_size),
                             options->weight};
    if (!options->address.empty()) {
      if (auto parsed = wire::parse_address(options->address); !parsed) {
        throw Failure("--address: " + parsed.error().message);
      }
    }
    const std::string state = state_path(options->state);
    const auto answer = ask_node(state, "POST", "/control/invite",
                                 {{"name", options->name},
                                  {"rate", terms.rate},
                                  {"burst", terms.burst},
                                  {"weight", terms.weight},
                                  {"address", options->address}},
                                 proof_of_supply);
    if (!answer && terms.rate > 0) {
      fmt::print(stderr,
                 "no node runs: {} will be kept as soon as the next one's sources have "
                 "proved enough\n",
                 options->rate);
    }
    const std::string join = answer ? std::string(answer->at("join").as_string().c_str())
                                    : invite_offline(node::StateDir(state), *options, terms);
    fmt::print("{}\n", join);
    return 0;
  };
}

Run add_revoke(CLI::App& command) {
  auto name = std::make_shared<std::string>();
  auto state_option = std::make_shared<std::string>();
  command.add_option("name", *name, "The client's name")->required();
  command.add_option("--state", *state_option, "The node's state directory");
  return [name, state_option] {
    const std::string path = state_path(*state_option);
    if (ask_node(path, "POST", "/control/revoke", {{"name", *name}})) return 0;
    const node::StateDir state(path);
    if (auto ready = state.prepare(); !ready) throw Failure(ready.error().message);
    const auto lock = state.lock();
    if (!lock) throw Failure(lock.error().message);
    share::ClientBook book(flow_without_node);
    node::ClientStore store(state, book);
    if (auto revoked = store.revoke(*name); !revoked) throw Failure(revoked.error().message);
    return 0;
  };
}

}  // namespace qanat::cli
