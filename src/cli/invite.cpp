#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cerrno>

#include "base/files.h"
#include "base/quantity.h"
#include "base/shown.h"
#include "base/suggest.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/output.h"
#include "cli/qr_code.h"
#include "node/client_store.h"
#include "node/control.h"
#include "spec/address.h"
#include "wire/http_api.h"
#include "wire/join_string.h"

namespace qanat::cli {
namespace {

// A node that has just started has proved nothing: its sources do so within seconds.
constexpr Duration proof_of_supply = std::chrono::seconds(10);

struct InviteOptions {
  std::string name;
  std::string rate;
  std::string burst;
  double weight = 1;
  std::string address;
  std::string state;
  std::string output;  // empty: standard output
  bool observer = false;
  bool replace = false;
  bool qr = false;
};

std::uint64_t parsed_or_zero(const std::string& text, const char* what, const char* example,
                             std::optional<std::uint64_t> (*parse)(std::string_view)) {
  if (text.empty()) return 0;
  const auto value = parse(text);
  if (!value)
    throw UsageError(fmt::format("{} {} is not understood; write it like {}", what, text, example));
  return *value;
}

share::Flow flow_without_node(const std::string&, const share::Terms& terms) {
  return share::Flow(terms);
}

// Without a running node: the state that the next one starts from.
class Offline {
 public:
  explicit Offline(const std::string& path)
      : state_(path), lock_(locked(state_)), book_(flow_without_node), store_(state_, book_) {}

  node::StateDir& state() { return state_; }
  node::ClientStore& store() { return store_; }

 private:
  static node::StateLock locked(const node::StateDir& state) {
    if (auto ready = state.prepare(); !ready) throw Failure(ready.error().message);
    auto lock = state.lock();
    if (!lock) throw Failure(lock.error().message);
    return std::move(*lock);
  }

  node::StateDir state_;
  node::StateLock lock_;
  share::ClientBook book_;
  node::ClientStore store_;
};

// What a person should know, where the command has done what it was told.
void tell(const std::string& what) { fmt::print(stderr, "qanat: {}\n", what); }

// To the file, or to standard output.
Result<void> hand_to(const InviteOptions& options, const std::string& join) {
  constexpr unsigned private_file = 0600;
  std::string line;
  line.reserve(join.size() + 1);  // no copy is left behind
  line.append(join).push_back('\n');
  auto given = options.output.empty()
                   ? hand_over(line)
                   : write_new_file(options.output, as_bytes(line), private_file);
  wire::wipe_text(line);
  return given;
}

Result<void> show_qr_code(const std::string& join) {
  try {
    std::string lines = qr_code(join, ::isatty(STDOUT_FILENO) == 1);
    auto shown = hand_over(lines);
    wire::wipe_text(lines);
    return shown;
  } catch (const Failure& problem) {
    return error(problem.what());
  }
}

// A join string is of use to one who has it. What nobody got is undone.
void give_out(const InviteOptions& options, std::string& join, const std::function<void()>& undo) {
  auto given = hand_to(options, join);
  if (given && options.qr) given = show_qr_code(join);
  wire::wipe_text(join);
  if (given) return;
  try {
    undo();
  } catch (const Failure& problem) {
    throw Failure(fmt::format("{}, and the invitation could not be undone: {}; revoke the client",
                              given.error().message, problem.what()));
  }
  throw Failure(given.error().message + "; the invitation is undone");
}

// Before anything is made that exists once.
void require_place(const InviteOptions& options) {
  if (options.qr) {
    if (const auto there = qr_codes(); !there) throw Failure(there.error().message);
  }
  if (options.output.empty() || options.qr) require_output();
  if (options.output.empty()) return;
  struct stat info {};
  if (::lstat(options.output.c_str(), &info) == 0) {
    throw Failure(fmt::format("{} is there already, and is not overwritten; name another file",
                              options.output));
  }
  if (::access(directory_of(options.output).c_str(), W_OK | X_OK) != 0) {
    throw Failure(with_errno("cannot make " + options.output, errno));
  }
}

void check_name(const std::string& name) {
  if (share::valid_client_name(name)) return;
  throw UsageError(
      fmt::format("'{}' is not a client name: 1 to 64 letters, digits, '.', '_' and '-'", name));
}

void give_out_offline(const InviteOptions& options, Offline& offline,
                      node::ClientStore::Invitation& invited) {
  give_out(options, invited.join, [&] {
    if (auto undone = offline.store().withdraw(options.name, invited.serial); !undone) {
      throw Failure(undone.error().message);
    }
  });
}

void invite_offline(const std::string& path, const InviteOptions& options, share::Terms terms) {
  // Before anything in it is believed.
  if (auto safe = node::StateDir(path).check_owner(); !safe) throw Failure(safe.error().message);
  if (options.observer) {
    Offline offline(path);
    auto invited = offline.store().invite_observer(options.name, options.replace);
    if (!invited) throw Failure(invited.error().message);
    return give_out_offline(options, offline, *invited);
  }
  const std::string last = node::StateDir(path).address().value_or("");
  const std::string address =
      node::with_https_port(options.address.empty() ? last : options.address, last);
  if (address.empty()) {
    throw Failure(fmt::format(
        "no node runs with the state directory {}, so its address is not known; start it with "
        "--outlet 'https://*:7749', or give --address HOST:PORT",
        path));
  }
  Offline offline(path);
  auto invited = offline.store().invite(options.name, terms, address,
                                        offline.state().identity().pin, options.replace);
  if (!invited) throw Failure(invited.error().message);
  if (options.address.empty()) {
    if (const std::string doubts = node::doubts_of({address}); !doubts.empty()) tell(doubts);
  }
  if (!options.rate.empty()) {
    tell(fmt::format(
        "no node runs: {} will be kept as soon as the next one's sources have proved enough",
        options.rate));
  }
  give_out_offline(options, offline, *invited);
}

void invite(const InviteOptions& options, share::Terms terms) {
  require_place(options);
  const std::string state = hub_state_path(options.state);
  auto answer = ask_node(state, "POST", "/control/invite",
                         {{"name", options.name},
                          {"rate", terms.rate},
                          {"burst", terms.burst},
                          {"weight", terms.weight},
                          {"address", options.address},
                          {"observer", options.observer},
                          {"replace", options.replace}},
                         proof_of_supply);
  if (!answer) return invite_offline(state, options, terms);
  boost::json::string& said = answer->at("join").as_string();
  std::string join(said);
  wipe({reinterpret_cast<std::uint8_t*>(said.data()), said.size()});
  const bool plain = std::all_of(join.begin(), join.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
  });
  if (!plain) throw Failure("what answers at the control socket is not a node");
  if (const auto* warning = answer->as_object().if_contains("warning")) {
    tell(escaped(warning->as_string().c_str()));
  }
  give_out(options, join, [&] {
    (void)ask_node(state, "POST", "/control/withdraw",
                   {{"name", options.name}, {"serial", answer->at("serial")}});
  });
}

// "; did you mean 'router'? ...", where a client is known by nearly that name.
std::string meant_instead(const std::string& path, const std::string& name) {
  std::vector<std::string> names;
  if (const auto document = ask_node(path, "GET", "/v1/status")) {
    for (const auto& client : document->at("clients").as_array()) {
      names.emplace_back(client.at("name").as_string());
    }
  } else if (const auto stored = node::StateDir(path).load_clients()) {
    for (const auto& client : stored->clients) names.push_back(client.name);
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::string question = did_you_mean(name, known);
  return question.empty() ? "" : question + " That one goes on drawing";
}

// What revoke and allow have in common: the running node does it, or it is done in its absence.
struct NamedClient {
  std::string name;
  std::string state;
};

std::shared_ptr<NamedClient> name_options(CLI::App& command) {
  auto client = std::make_shared<NamedClient>();
  command.add_option("name", client->name, "The client's name")->required();
  command.add_option("--state", client->state, "The node's state directory");
  return client;
}

}  // namespace

Run add_invite(CLI::App& command) {
  auto options = std::make_shared<InviteOptions>();
  command.add_option("name", options->name, "The client's name")->required();
  command.add_option("--rate", options->rate, "Guaranteed rate of grade full, such as 1KiB/s");
  command.add_option("--burst", options->burst,
                     "Of the guarantee, bytes at once after a pause (default: a second's worth)");
  command
      .add_option("--weight", options->weight,
                  "Weight in sharing what guarantees leave (default: 1)")
      ->check(CLI::Range(share::least_weight, share::most_weight));
  command.add_option(
      "--address", options->address,
      "HOST[:PORT] at which the client reaches the node (default: that of its https outlet)");
  command.add_option("--output", options->output,
                     "Write it to this new file, which its owner alone can read");
  command.add_flag("--replace", options->replace,
                   "Invite a client anew: what it was given before is void");
  command.add_flag("--qr", options->qr, "Show it as a QR code, too");
  command.add_flag("--observer", options->observer,
                   "One who sees all of the node and draws nothing: print a token");
  command.add_option("--state", options->state, "The node's state directory");
  command.footer(
      "An observer's token is for Prometheus ('Authorization: Bearer TOKEN') and browsers (any\n"
      "name, and the token as password) beyond this machine: docs/monitoring.md.");
  return [options, &command] {
    check_name(options->name);
    if (options->observer) {
      for (const char* const option : {"--rate", "--burst", "--weight", "--address"}) {
        if (command.count(option) == 0) continue;
        throw UsageError(
            fmt::format("{} does not go with --observer: an observer draws nothing", option));
      }
    }
    const share::Terms terms{parsed_or_zero(options->rate, "--rate", "1KiB/s", parse_rate),
                             parsed_or_zero(options->burst, "--burst", "4KiB", parse_size),
                             options->weight};
    if (auto possible = share::check(terms); !possible) {
      throw UsageError(possible.error().message);
    }
    if (!options->address.empty()) {
      const auto parsed = spec::parse_address(options->address, wire::https_port);
      if (!parsed) throw UsageError("--address: " + parsed.error().message);
      if (parsed->port == 0 && options->address.ends_with(":0")) {
        throw UsageError(
            fmt::format("--address {}: 0 is not a port that can be reached; write 1 to 65535",
                        options->address));
      }
      if (parsed->host.find('%') != std::string::npos) {
        throw UsageError(fmt::format(
            "--address {}: the zone after the % is of this machine alone; write an address that "
            "others can reach",
            options->address));
      }
      for (const std::string_view every : {"*", "0.0.0.0", "::"}) {
        if (parsed->host != every) continue;
        throw UsageError(fmt::format(
            "--address {}: means every address of this machine; write the one, or the name, at "
            "which the client reaches it",
            options->address));
      }
    }
    ignore_broken_pipes();
    invite(*options, terms);
    return 0;
  };
}

Run add_revoke(CLI::App& command) {
  const auto client = name_options(command);
  command.footer(
      "Bars the name, whether a client of it is known or not, invited or with a certificate, "
      "until\n"
      "'qanat allow NAME'. Its connections and its trickle sessions end here at once. A hub that\n"
      "shares this one's CA or cookie keys must be told too: docs/join-strings.md, Revocation.");
  return [client] {
    check_name(client->name);
    const std::string path = hub_state_path(client->state);
    bool known = false;
    if (const auto answer = ask_node(path, "POST", "/control/revoke", {{"name", client->name}})) {
      known = answer->at("known").as_bool();
    } else {
      require_state(path);
      const auto revoked = Offline(path).store().revoke(client->name);
      if (!revoked) throw Failure(revoked.error().message);
      known = *revoked;
    }
    if (!known) {
      tell(fmt::format("no client '{}' was known; the name is barred from now on{}", client->name,
                       meant_instead(path, client->name)));
    }
    return 0;
  };
}

Run add_allow(CLI::App& command) {
  const auto client = name_options(command);
  command.footer(
      "Lifts what 'qanat revoke NAME' did: the name may be invited again, and certificates of it\n"
      "are accepted again. A join string that was revoked stays so.");
  return [client] {
    check_name(client->name);
    const std::string path = hub_state_path(client->state);
    if (ask_node(path, "POST", "/control/allow", {{"name", client->name}})) return 0;
    require_state(path);
    if (auto allowed = Offline(path).store().allow(client->name); !allowed) {
      throw Failure(allowed.error().message);
    }
    return 0;
  };
}

}  // namespace qanat::cli
