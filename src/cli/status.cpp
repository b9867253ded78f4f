#include "observe/status.h"

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <ctime>

#include "base/quantity.h"
#include "cli/command.h"
#include "cli/control.h"
#include "machine/daemon.h"
#include "node/client_store.h"

namespace qanat::cli {

namespace json = boost::json;

namespace {

constexpr const char* status_path = "/v1/status";

// The documents of the nodes that run: those named, or the machine's hub and feed.
std::vector<json::value> documents(const std::vector<std::string>& states) {
  std::vector<json::value> found;
  if (!states.empty()) {
    for (const std::string& state : states) {
      found.push_back(ask_running_node(state, "GET", status_path));
    }
    return found;
  }
  for (const std::string& state : {state_path(""), default_feed_state()}) {
    if (auto document = ask_node(state, "GET", status_path)) found.push_back(std::move(*document));
  }
  if (found.empty()) no_node(state_path(""));
  return found;
}

std::string all_text(const std::vector<json::value>& found) {
  std::string out;
  for (const json::value& document : found) {
    if (!out.empty()) out += std::string(80, '-') + "\n";
    out += observe::status_text(document);
  }
  return out;
}

// Draws until a signal comes; on what is no terminal, one block after another.
int run_top(const std::vector<std::string>& states, Duration every, Duration for_time) {
  machine::prepare_process();
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  const TimePoint begin = Clock().now();
  std::string problem = "nothing was seen";
  // A node that is away for a while is waited for; one that was never there is a failure.
  const auto end = [&problem] {
    if (!problem.empty()) throw Failure(problem);
    return 0;
  };
  bool seen = false;
  for (;;) {
    std::string text;
    try {
      text = all_text(documents(states));
      seen = true;
      problem.clear();
    } catch (const Failure& why) {
      text = fmt::format("{}\n", why.what());
      if (!seen) problem = why.what();
    }
    if (terminal) {
      // Home, each line cleared to its end, and what is left of the screen below.
      std::string screen = "\x1b[H";
      for (const char c : text) screen += c == '\n' ? std::string("\x1b[K\n") : std::string(1, c);
      fmt::print("{}\x1b[J", screen);
    } else {
      fmt::print("{}\n", text);
    }
    if (std::fflush(stdout) != 0) {
      throw Failure(with_errno("cannot write to standard output", errno));
    }
    if (machine::wait_for_signal(every) == machine::Signal::stop) return end();
    if (for_time > Duration::zero() && Clock().now() - begin >= for_time) return end();
  }
}

Duration duration_option(const std::string& text, const char* name) {
  if (text.empty()) return Duration::zero();
  const auto value = parse_duration(text);
  if (!value || *value == Duration::zero()) {
    throw UsageError(
        fmt::format("{} {} is not a duration of at least 1ms; write it like 2s", name, text));
  }
  return *value;
}

}  // namespace

Run add_status(CLI::App& command) {
  auto states = std::make_shared<std::vector<std::string>>();
  auto as_json = std::make_shared<bool>(false);
  command.add_option("--state", *states, "The node's state directory, repeatable")
      ->allow_extra_args(false);
  command.add_flag("--json", *as_json, "The status document, for scripts");
  return [states, as_json] {
    const auto found = documents(*states);
    if (!*as_json) {
      fmt::print("{}", all_text(found));
    } else if (found.size() == 1) {
      fmt::print("{}\n", json::serialize(found.front()));
    } else {
      // The hub's document; its feed, on the same machine, in it.
      json::object both = found.front().as_object();
      both["feed"] = found.back();
      fmt::print("{}\n", json::serialize(both));
    }
    return 0;
  };
}

Run add_top(CLI::App& command) {
  auto states = std::make_shared<std::vector<std::string>>();
  auto every = std::make_shared<std::string>("1s");
  auto for_time = std::make_shared<std::string>();
  command.add_option("--state", *states, "The node's state directory, repeatable")
      ->allow_extra_args(false);
  command.add_option("--every", *every, "Time between two pictures (1s)");
  command.add_option("--for", *for_time, "End after this time");
  return [states, every, for_time] {
    return run_top(*states, duration_option(*every, "--every"),
                   duration_option(*for_time, "--for"));
  };
}

namespace {

// The clients' part of a status document, and the names that are revoked; of the running node, or
// as they are stored.
struct Clients {
  json::value document;
  json::array revoked;
};

Clients stored_clients(const std::string& path) {
  require_state(path);
  const auto stored = node::StateDir(path).load_clients();
  if (!stored) throw Failure(stored.error().message);
  json::array clients;
  for (const auto& client : stored->clients) {
    clients.push_back(json::object{{"name", client.name},
                                   {"rate", client.terms.rate},
                                   {"burst", client.terms.burst},
                                   {"weight", client.terms.weight}});
  }
  Clients found{json::object{{"clients", std::move(clients)}}, {}};
  for (const share::Bar& bar : stored->bars) found.revoked.emplace_back(bar.name);
  return found;
}

Clients find_clients(const std::string& path) {
  auto document = ask_node(path, "GET", status_path);
  if (!document) return stored_clients(path);
  const json::value revoked = ask_running_node(path, "POST", "/control/revoked");
  return {std::move(*document), revoked.at("revoked").as_array()};
}

}  // namespace

Run add_clients(CLI::App& command) {
  auto state_option = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  auto revoked = std::make_shared<bool>(false);
  command.add_option("--state", *state_option, "The node's state directory");
  command.add_flag("--json", *as_json, "For scripts");
  command.add_flag("--revoked", *revoked, "The names that are barred, the oldest first");
  return [state_option, as_json, revoked] {
    const Clients found = find_clients(state_path(*state_option));
    if (*as_json) {
      fmt::print("{}\n", *revoked ? json::serialize(found.revoked)
                                  : json::serialize(found.document.at("clients")));
      return 0;
    }
    if (!*revoked) fmt::print("{}", observe::clients_text(found.document));
    if (!*revoked && !found.revoked.empty()) fmt::print("\nRevoked\n");
    for (const json::value& name : found.revoked) {
      fmt::print("{}{}\n", *revoked ? "" : "  ", name.as_string().c_str());
    }
    return 0;
  };
}

}  // namespace qanat::cli
