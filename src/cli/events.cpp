#include <fmt/chrono.h>
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <ctime>

#include "base/log.h"
#include "base/shown.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/output.h"
#include "node/state_dir.h"
#include "observe/events.h"
#include "peers/http_client.h"
#include "wire/event_stream.h"

namespace qanat::cli {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

struct EventsOptions {
  std::string state;
  bool follow = false;
  bool as_json = false;
};

std::string text_in(const json::object& event, std::string_view key) {
  const auto* const found = event.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

void print_event(const json::object& event, bool as_json) {
  if (as_json) {
    fmt::print("{}\n", json::serialize(event));
    return;
  }
  const auto* const when = event.if_contains("time");
  // The year 9999 is the last that a calendar knows.
  constexpr std::int64_t last_time = 253402300799;
  const auto time =
      when != nullptr && when->is_int64()
          ? static_cast<std::time_t>(std::clamp<std::int64_t>(when->get_int64(), 0, last_time))
          : 0;
  const auto* const alarm = event.if_contains("alarm");
  fmt::print("{:%Y-%m-%d %H:%M:%S} {} {:<19}  {}: {}\n", fmt::localtime(time),
             alarm != nullptr && alarm->is_bool() && alarm->get_bool() ? '!' : ' ',
             escaped(text_in(event, "kind")), escaped(text_in(event, "subject")),
             escaped(text_in(event, "text")));
}

int show(const EventsOptions& options) {
  const json::value document = ask_running_node(state_path(options.state), "GET", "/v1/status");
  for (const json::value& event : document.at("events").as_array()) {
    print_event(event.as_object(), options.as_json);
  }
  return 0;
}

// Prints what has not been printed, and remembers it.
class Printer {
 public:
  explicit Printer(bool as_json) : as_json_(as_json) {}

  void operator()(const wire::StreamedEvent& streamed) {
    if (streamed.type != "message") return;
    // After a reconnection those come again that are kept.
    if (const auto id = observe::EventId::parse(streamed.id)) {
      if (id->run == last_.run && id->number <= last_.number) return;
      last_ = *id;
    }
    boost::system::error_code problem;
    const json::value event = json::parse(streamed.data, problem);
    if (problem || !event.is_object()) return;
    print_event(event.get_object(), as_json_);
    if (std::fflush(stdout) != 0) throw Failure("cannot write to standard output");
  }

 private:
  const bool as_json_;
  observe::EventId last_;
};

// Until a signal ends it, or nobody reads what it says. A node that goes is waited for.
int follow(const EventsOptions& options) {
  const std::string state = state_path(options.state);
  if (!find_node(state)) no_node(state);
  const Waker never;
  Printer print(options.as_json);
  bool told = false;
  for (;;) {
    std::string problem;
    wire::EventStreamReader reader([&](const wire::StreamedEvent& event) {
      print(event);
      told = false;
    });
    peers::HttpClient client(peers::unix_endpoint(node::StateDir(state).control_socket()), never,
                             {.connect = node_patience, .silence = 60s});
    const auto answer = client.get("/v1/events", [&](Bytes piece) { return reader.feed(piece); });
    if (!answer && answer.error().trouble == peers::Trouble::refused) {
      throw Failure(answer.error().message);
    }
    const bool busy = !answer && answer.error().trouble == peers::Trouble::busy;
    if (!std::exchange(told, true)) {
      fmt::print(stderr, "qanat: {}; waiting\n",
                 busy ? answer.error().message : "the node has gone");
    }
    wait_for(-1, 0, never, 1s);
  }
}

}  // namespace

Run add_events(CLI::App& command) {
  auto options = std::make_shared<EventsOptions>();
  command.add_option("--state", options->state, "The node's state directory");
  command.add_flag("--follow", options->follow, "Go on with those to come");
  command.add_flag("--json", options->as_json, "An object a line, for scripts");
  command.footer("A '!' marks what somebody should look at. Kinds: docs/monitoring.md.");
  return [options] {
    require_output();
    ignore_broken_pipes();
    return options->follow ? follow(*options) : show(*options);
  };
}

}  // namespace qanat::cli
