#include "cli/status.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>

#include "cli/command.h"
#include "cli/control.h"
#include "node/client_store.h"
#include "observe/status.h"

namespace qanat::cli {

namespace json = boost::json;

namespace {

constexpr const char* status_path = "/v1/status";

}  // namespace

std::vector<json::value> status_documents(const std::vector<std::string>& states) {
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

std::string status_texts(const std::vector<json::value>& documents) {
  std::string out;
  for (const json::value& document : documents) {
    if (!out.empty()) out += std::string(80, '-') + "\n";
    out += observe::status_text(document);
  }
  return out;
}

namespace {

// A feed that is well does not speak for the hub beside it. Throws Failure where a hub was, which
// had a key to be known by, and no node is.
void require_hub() {
  const std::string state = state_path("");
  if (!node::StateDir(state).has_key() || find_node(state)) return;
  throw Failure(fmt::format(
      "the hub of {} does not run; where it is not meant to, say with --state what to look at",
      state));
}

// Throws Failure for what is no node's status.
void require_verdict(const json::value& document) {
  const auto* const fields = document.if_object();
  const auto* const verdict = fields == nullptr ? nullptr : fields->if_contains("verdict");
  if (verdict != nullptr && verdict->is_object()) return;
  throw Failure("what answers at the control socket is not a node");
}

// For monitoring: never more than a line, and what cannot be asked has failed.
int check_nodes(const std::vector<std::string>& states) {
  std::vector<json::value> found;
  try {
    found = status_documents(states);
    if (states.empty()) require_hub();
    for (const json::value& document : found) require_verdict(document);
  } catch (const std::exception& problem) {
    fmt::print("FAILED: {}\n", plain_what(problem));
    return 1;
  }
  std::vector<observe::StatusLine> lines;
  for (const json::value& document : found) lines.push_back(observe::status_line(document));
  // Of a hub and its feed the worse one first: some monitors cut.
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& left, const auto& right) { return left.level > right.level; });
  std::string all;
  for (const observe::StatusLine& line : lines) all += (all.empty() ? "" : "; ") + line.text;
  fmt::print("{}\n", all);
  return lines.front().level == observe::Verdict::Level::bad ? 1 : 0;
}

}  // namespace

Run add_status(CLI::App& command) {
  auto states = std::make_shared<std::vector<std::string>>();
  auto as_json = std::make_shared<bool>(false);
  auto only_check = std::make_shared<bool>(false);
  command.add_option("--state", *states, "The node's state directory, repeatable")
      ->allow_extra_args(false);
  command.add_flag("--json", *as_json, "The status document, for scripts");
  command.add_flag("--check", *only_check, "One line for monitoring; exit code 1 when it FAILED");
  return [states, as_json, only_check] {
    if (*only_check && *as_json) throw UsageError("--check and --json: give one of them");
    if (*only_check) return check_nodes(*states);
    const auto found = status_documents(*states);
    if (!*as_json) {
      fmt::print("{}", status_texts(found));
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
  json::array observers;
  for (const auto& client : stored->clients) {
    if (client.observer) {
      observers.push_back(json::object{{"name", client.name}});
      continue;
    }
    clients.push_back(json::object{{"name", client.name},
                                   {"rate", client.terms.rate},
                                   {"burst", client.terms.burst},
                                   {"weight", client.terms.weight}});
  }
  Clients found{json::object{{"clients", std::move(clients)}, {"observers", std::move(observers)}},
                {}};
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
