// The state directory of a running node: its part of node.h.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "node/node.h"

namespace qanat::node {

void Node::check_state() {
  std::string before;
  std::string now;
  bool written_back = false;
  const bool any_clients = !book_.bars().empty() || has_invited();
  {
    const MutexLock lock(state_mutex_);
    if (!lock_) return;  // it began without one, and said so
    before = state_problem_;
    now = find_state_problem(any_clients, written_back);
    state_problem_ = now;
    state_writable_ = now.empty();
  }
  if (written_back) {
    events_.add("state",
                fmt::format("files were missing in the state directory {}; keys and clients are "
                            "written back",
                            state_.path()),
                true);
    if (cookies_.version() > 0) cookies_.keep(static_cast<std::uint64_t>(std::time(nullptr)));
  }
  if (now == before) return;
  events_.add("state", now.empty() ? state_.path() + " is in order again" : now, !now.empty());
}

std::string Node::state_problem() const {
  const MutexLock lock(state_mutex_);
  return state_problem_;
}

std::string Node::find_state_problem(bool any_clients, bool& written_back) {
  const std::string& path = state_.path();
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    return fmt::format(
        "the state directory {} was deleted, so the next start will know neither key nor clients; "
        "'mkdir -m 700 {}', and within a minute they are written back",
        path, path);
  }
  const bool ours = lock_->in_place();
  if (!ours) {
    if (auto safe = state_.check_owner(); !safe) return safe.error().message;
    if (identity_ && !state_.agrees_with(*identity_)) {
      return fmt::format(
          "the state directory {} was replaced, and the present one holds another server key; "
          "restart the node to use that one, or put back the old directory",
          path);
    }
    if (auto taken = lock_->take_again(); !taken) {
      return fmt::format("the state directory {} was replaced: {}", path, taken.error().message);
    }
  }
  const std::string at = address();
  const bool whole = state_.whole(identity_.has_value(), any_clients, !at.empty());
  if (auto made = settings_.feed ? state_.cookie_directory() : std::string(); !made) {
    return made.error().message;
  }
  if (whole) return "";
  auto written = state_.restore(node_id_, identity_ ? &*identity_ : nullptr, at);
  if (written && any_clients) written = clients_.keep();
  if (!written) {
    return fmt::format("files are missing in the state directory {} and cannot be written back: {}",
                       path, written.error().message);
  }
  written_back = true;
  return "";
}

bool Node::has_invited() const {
  const auto clients = book_.list();
  return std::any_of(clients.begin(), clients.end(),
                     [](const auto& client) { return !client->shared_key.empty(); });
}

void Node::check_control_socket() {
  if (!control_ || !state_writable_) return;
  if (control_->in_place()) return;
  control_->stop();
  control_.reset();
  open_control_socket();
}

}  // namespace qanat::node
