#include <fmt/chrono.h>
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <ctime>
#include <future>

#include "base/log.h"
#include "base/mutex.h"
#include "base/shown.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/output.h"
#include "cli/status.h"
#include "node/state_dir.h"
#include "observe/events.h"
#include "observe/fields.h"
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

// As wide as what 'status' says.
constexpr std::size_t columns = 80;

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
  std::string begin =
      fmt::format("{:%Y-%m-%d %H:%M:%S} {} ", fmt::localtime(time),
                  alarm != nullptr && alarm->is_bool() && alarm->get_bool() ? '!' : ' ');
  const std::string indent(begin.size(), ' ');
  const std::string said =
      fmt::format("{:<19}  {}: {}", escaped(text_in(event, "kind")),
                  escaped(text_in(event, "subject")), escaped(text_in(event, "text")));
  for (const std::string& line : observe::wrap(said, columns - indent.size())) {
    fmt::print("{}{}\n", begin, line);
    begin = indent;
  }
}

std::int64_t time_of(const json::value& event) {
  const auto* const when = event.as_object().if_contains("time");
  return when != nullptr && when->is_int64() ? when->get_int64() : 0;
}

// The one that is named, or the machine's hub and feed.
std::vector<std::string> named_states(const EventsOptions& options) {
  return options.state.empty() ? std::vector<std::string>() : std::vector{options.state};
}

int show(const EventsOptions& options) {
  std::vector<json::value> events;
  for (const json::value& document : status_documents(named_states(options))) {
    const json::array& of_node = document.at("events").as_array();
    events.insert(events.end(), of_node.begin(), of_node.end());
  }
  std::stable_sort(events.begin(), events.end(), [](const auto& one, const auto& other) {
    return time_of(one) < time_of(other);
  });
  for (const json::value& event : events) print_event(event.as_object(), options.as_json);
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
    static Mutex of_output;  // of two nodes, each event is whole
    const MutexLock lock(of_output);
    print_event(event.get_object(), as_json_);
    if (std::fflush(stdout) != 0) throw Failure("cannot write to standard output");
  }

 private:
  const bool as_json_;
  observe::EventId last_;
};

// Until `stop` is woken, or nobody reads what it says. A node that goes is waited for.
void follow_node(const std::string& state, bool as_json, const Waker& stop) {
  Printer print(as_json);
  bool told = false;
  while (!stop.is_woken()) {
    std::string problem;
    wire::EventStreamReader reader([&](const wire::StreamedEvent& event) {
      print(event);
      told = false;
    });
    peers::HttpClient client(peers::unix_endpoint(node::StateDir(state).control_socket()), stop,
                             {.connect = node_patience, .silence = 60s});
    const auto answer = client.get("/v1/events", [&](Bytes piece) { return reader.feed(piece); });
    if (!answer && answer.error().trouble == peers::Trouble::refused) {
      throw Failure(answer.error().message);
    }
    if (stop.is_woken()) return;
    const bool busy = !answer && answer.error().trouble == peers::Trouble::busy;
    if (!std::exchange(told, true)) {
      fmt::print(stderr, "qanat: {}; waiting\n",
                 busy ? answer.error().message : "the node has gone");
    }
    wait_for(-1, 0, stop, 1s);
  }
}

// Those to be followed, all of which run.
std::vector<std::string> running_states(const EventsOptions& options) {
  std::vector<std::string> states = named_states(options);
  if (states.empty()) states = {state_path(""), default_feed_state()};
  const std::string first = states.front();
  std::erase_if(states, [](const std::string& state) { return !find_node(state); });
  if (states.empty()) no_node(first);
  return states;
}

// Until a signal ends it, or one of them fails.
int follow(const EventsOptions& options) {
  const Waker stop;
  std::vector<std::future<void>> followers;
  for (const std::string& state : running_states(options)) {
    followers.push_back(std::async(std::launch::async, [state, &options, &stop] {
      try {
        follow_node(state, options.as_json, stop);
      } catch (...) {
        stop.wake();
        throw;
      }
    }));
  }
  for (std::future<void>& follower : followers) follower.get();
  return 0;
}

}  // namespace

Run add_events(CLI::App& command) {
  auto options = std::make_shared<EventsOptions>();
  command.add_option("--state", options->state,
                     "The node's state directory (default: the machine's hub and feed)");
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
