// `qanat wait`: for what must not draw before this machine is seeded.
#include <fmt/core.h>
#include <sys/random.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>

#include "base/quantity.h"
#include "base/secret.h"
#include "cli/command.h"
#include "cli/control.h"
#include "node/state_dir.h"
#include "peers/http_client.h"

namespace qanat::cli {

using namespace std::chrono_literals;

namespace {

struct WaitOptions {
  bool ready = true;  // all that there is to wait for
  std::string limit = "30s";
  std::vector<std::string> states;
};

// Each of these says why not, or nothing.
std::string kernel_lacks() {
  std::uint8_t byte = 0;
  if (::getrandom(&byte, 1, GRND_NONBLOCK) == 1) return "";
  return errno == EAGAIN ? "the kernel's random generator has no seed yet"
                         : with_errno("getrandom", errno);
}

std::string node_lacks(const std::string& state, bool named, const Waker& waker, Duration limit) {
  try {
    if (!find_node(state)) {
      return named ? fmt::format("no node runs with the state directory {}", state) : "";
    }
  } catch (const Failure& problem) {
    return problem.what();
  }
  peers::HttpClient client(peers::unix_endpoint(node::StateDir(state).control_socket()), waker,
                           {.connect = limit, .silence = limit});
  const auto nothing = [](Bytes) { return true; };
  peers::HttpClient::Bounds bounds;
  bounds.whole = limit;
  const auto answer = client.get("/readyz", nothing, bounds);
  if (answer) return "";
  // "SOCKET answered 503: not ready (...)".
  const std::string& message = answer.error().message;
  const auto words = message.find(": ");
  return fmt::format("the node with the state directory {}: {}", state,
                     message.substr(words == std::string::npos ? 0 : words + 2));
}

// A hub, a feed, and a guest's feed (packaging/systemd) may all run here.
std::vector<std::string> usual_states() {
  const std::string hub = state_path("");
  std::vector<std::string> states{hub, default_feed_state(), hub + "-guest"};
  // Where systemd keeps that of a feed with an account of its own: the hub, in whose directory it
  // is a link, could remove that.
  constexpr const char* kept_apart = "/var/lib/private/qanat/feed";
  if (hub == node::StateDir::roots_path && ::access(kept_apart, F_OK) == 0) {
    states.emplace_back(kept_apart);
  }
  return states;
}

int wait_until_ready(const WaitOptions& options) {
  const auto limit = parse_duration(options.limit);
  if (!limit) throw UsageError("--for " + options.limit + " is not a duration; try 30s");
  constexpr Duration between_looks = 100ms;
  constexpr Duration shortest = 10ms;
  const TimePoint end = Clock().now() + *limit;
  const Waker waker;
  // What follows may itself draw a random byte, for which a kernel without a seed lets it wait.
  std::string lack = kernel_lacks();
  while (!lack.empty() && Clock().now() < end) {
    wait_for(-1, 0, waker, std::min(between_looks, std::max(end - Clock().now(), shortest)));
    lack = kernel_lacks();
  }
  if (!lack.empty()) throw Failure(fmt::format("not ready within {}: {}", options.limit, lack));
  initialise_secret_memory();
  const bool named = !options.states.empty();
  for (;;) {
    lack.clear();
    for (const std::string& state : named ? options.states : usual_states()) {
      // A node that is stopped must not take more time than there is.
      if (lack.empty()) {
        lack = node_lacks(state, named, waker, std::max(end - Clock().now(), shortest));
      }
    }
    if (lack.empty()) return 0;
    if (Clock().now() >= end) {
      throw Failure(fmt::format("not ready within {}: {}", options.limit, lack));
    }
    wait_for(-1, 0, waker, std::min(between_looks, std::max(end - Clock().now(), shortest)));
  }
}

}  // namespace

Run add_wait(CLI::App& command) {
  auto options = std::make_shared<WaitOptions>();
  command.add_flag("--ready", options->ready,
                   "Until the kernel's generator is seeded, and the nodes that run here are ready: "
                   "a feed once it has fed, and that was credited. Without it, too");
  command.add_option("--for", options->limit, "Give up after this time (default: 30s)");
  command
      .add_option("--state", options->states,
                  "The state directory of a node that must run, repeatable (default: those of a "
                  "hub, a feed and a guest's feed, where they run)")
      ->allow_extra_args(false);
  return [options] { return wait_until_ready(*options); };
}

}  // namespace qanat::cli
