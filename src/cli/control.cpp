#include "cli/control.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <cerrno>
#include <filesystem>

#include "base/trusted_path.h"
#include "net/connect.h"
#include "node/state_dir.h"
#include "peers/http_client.h"
#include "wire/join_string.h"

namespace qanat::cli {

namespace json = boost::json;

namespace {

// "DIR/" is DIR, and "." has a name, too: what is above it must be seen.
std::string plain_path(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (path != "." && path != "..") return path;
  std::error_code problem;
  const std::string real = std::filesystem::canonical(path, problem).string();
  return problem ? path : real;
}

}  // namespace

std::string state_path(const std::string& option) {
  return option.empty() ? node::StateDir::default_path() : plain_path(option);
}

std::string feed_state_path(const std::string& option) {
  return option.empty() ? default_feed_state() : plain_path(option);
}

std::string hub_state_path(const std::string& option) {
  std::string own = state_path(option);
  struct stat info {};
  const bool other = option.empty() && own != node::StateDir::roots_path &&
                     ::stat(node::StateDir::roots_path, &info) == 0;
  if (!other || find_node(own)) return own;
  throw Failure(
      fmt::format("this machine's hub ({}) is of {}, and none of yours runs ({}), so nothing was "
                  "done; ask that "
                  "one as root (sudo), or name yours with --state DIR",
                  node::StateDir::roots_path, account_name(info.st_uid), own));
}

std::string default_feed_state() { return node::StateDir::default_path() + "/feed"; }

namespace {

Failure silent(pid_t pid) {
  return Failure(fmt::format(
      "the node (pid {}) does not answer within {:.0f} s, and nothing was done; is it stopped?",
      pid, seconds(node_patience)));
}

Failure forbidden(const std::string& state, const std::string& socket) {
  struct stat info {};
  // The directory may be another's: a volume of a container's.
  const bool found = ::stat(socket.c_str(), &info) == 0 || ::stat(state.c_str(), &info) == 0;
  const std::string owner = found ? account_name(info.st_uid) : "root";
  const bool named = !owner.starts_with("uid ");
  return Failure(fmt::format("{}: permission denied; ask as {} (sudo -u {})", socket, owner,
                             named ? owner : fmt::format("'#{}'", info.st_uid)));
}

}  // namespace

std::optional<pid_t> find_node(const std::string& state) {
  const std::string socket = node::StateDir(state).control_socket();
  errno = 0;
  const auto fd = net::connect_unix(socket);
  const int problem = errno;
  if (fd) {
    ucred who{};
    socklen_t size = sizeof who;
    (void)::getsockopt(fd->get(), SOL_SOCKET, SO_PEERCRED, &who, &size);
    return who.pid;
  }
  if (problem == EACCES || problem == EPERM) throw forbidden(state, socket);
  if (problem == ENOTDIR) {
    throw Failure(state + " is not a directory; name the node's state directory with --state");
  }
  const auto holder = node::StateLock::holder(state);
  if (problem == EAGAIN) throw silent(holder.value_or(0));
  if (problem != ENOENT && problem != ECONNREFUSED) {
    throw Failure(fd.error().message);
  }
  if (holder) {
    throw Failure(fmt::format(
        "a node (pid {}) runs with the state directory {}, but cannot be reached there: it has "
        "just started, or the directory was emptied or deleted (within a minute the node writes "
        "back what it can, and says what it cannot)",
        *holder, state));
  }
  return std::nullopt;
}

void require_state(const std::string& state) {
  if (!node::StateDir(state).exists()) {
    throw Failure(
        fmt::format("there is no state directory {}; name the node's with --state", state));
  }
}

void no_node(const std::string& state) {
  require_state(state);
  throw Failure(
      fmt::format("no node runs with the state directory {}; start one with 'qanat "
                  "serve', or name its directory with --state",
                  state));
}

std::optional<json::value> ask_node(const std::string& state, const std::string& method,
                                    const std::string& path, const json::object& request,
                                    Duration patience, const Waker* stop) {
  auto answer = ask_for_text(state, method, path, request, patience, stop);
  if (!answer) return std::nullopt;
  json::value parsed = json::parse(*answer);
  wire::wipe_text(*answer);  // an invitation's join string is in it
  return parsed;
}

std::optional<std::string> ask_for_text(const std::string& state, const std::string& method,
                                        const std::string& path, const json::object& request,
                                        Duration patience, const Waker* stop) {
  constexpr Duration between_tries = std::chrono::milliseconds(200);
  const auto pid = find_node(state);
  if (!pid) return std::nullopt;
  const TimePoint end = Clock().now() + patience;
  const Waker own;
  const Waker& waker = stop != nullptr ? *stop : own;
  peers::HttpClient client(peers::unix_endpoint(node::StateDir(state).control_socket()), waker,
                           {.connect = node_patience, .silence = node_patience});
  const std::string body = method == "POST" ? json::serialize(request) : std::string();
  TimePoint began = Clock().now();
  auto answer = client.text(method, path, body);
  while (!answer && answer.error().trouble == peers::Trouble::busy && Clock().now() < end) {
    wait_for(-1, 0, waker, between_tries);
    began = Clock().now();
    answer = client.text(method, path, body);
  }
  if (answer) return std::move(*answer);
  if (answer.error().trouble == peers::Trouble::unreachable &&
      Clock().now() - began >= node_patience) {
    // Hanging up tells the node that it must not do it later.
    throw silent(*pid);
  }
  // "SOCKET answered 400: there is a client ...": the socket is of no interest.
  const std::string& message = answer.error().message;
  const auto colon = message.find(": ");
  const bool cut = colon != std::string::npos && colon + 2 < message.size();
  throw Failure(cut ? message.substr(colon + 2) : message);
}

json::value ask_running_node(const std::string& state, const std::string& method,
                             const std::string& path, const json::object& request) {
  auto answer = ask_node(state, method, path, request);
  if (!answer) no_node(state);
  return std::move(*answer);
}

}  // namespace qanat::cli
