#include "cli/control.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "net/http_client.h"
#include "node/state_dir.h"

namespace qanat::cli {

namespace json = boost::json;

std::string state_path(const std::string& option) {
  return option.empty() ? node::StateDir::default_path() : option;
}

std::string default_feed_state() { return node::StateDir::default_path() + "/feed"; }

std::optional<json::value> ask_node(const std::string& state, const std::string& method,
                                    const std::string& path, const json::object& request,
                                    Duration patience) {
  constexpr Duration between_tries = std::chrono::milliseconds(200);
  const TimePoint end = Clock().now() + patience;
  const Waker waker;
  net::HttpClient client(net::unix_endpoint(node::StateDir(state).control_socket()), waker);
  const std::string body = method == "POST" ? json::serialize(request) : std::string();
  auto answer = client.text(method, path, body);
  while (!answer && answer.error().trouble == net::Trouble::busy && Clock().now() < end) {
    wait_for(-1, 0, waker, between_tries);
    answer = client.text(method, path, body);
  }
  if (answer) return json::parse(*answer);
  if (answer.error().trouble == net::Trouble::unreachable) return std::nullopt;
  // "SOCKET answered 400: there is a client ...": the socket is of no interest.
  const std::string& message = answer.error().message;
  const auto colon = message.find(": ");
  throw Failure(colon == std::string::npos ? message : message.substr(colon + 2));
}

json::value ask_running_node(const std::string& state, const std::string& method,
                             const std::string& path, const json::object& request) {
  auto answer = ask_node(state, method, path, request);
  if (!answer) {
    throw Failure(
        fmt::format("no node runs with the state directory {}; start one with 'qanat "
                    "serve', or name its directory with --state",
                    state));
  }
  return std::move(*answer);
}

}  // namespace qanat::cli
