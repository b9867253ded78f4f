#include "node/state_watch.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace qanat::node {

void StateWatch::begin() {
  auto prepared = state_.prepare();
  Result<StateLock> lock = error(prepared ? "" : prepared.error().message);
  if (prepared) lock = state_.lock();
  if (lock) {
    const MutexLock guard(mutex_);
    lock_ = std::move(*lock);
    writable_ = true;
    return;
  }
  events_.add("state",
              fmt::format("{}; the node runs without its state directory: it invites nobody, and "
                          "keeps nothing for its next start",
                          lock.error().message),
              EventKind::warning);
}

bool StateWatch::check(const Kept& kept) {
  std::string before;
  std::string now;
  bool written_back = false;
  const bool any_clients = !book_.bars().empty() || has_invited();
  {
    const MutexLock lock(mutex_);
    if (!lock_) return false;  // it began without one, and said so
    before = problem_;
    now = find_problem(kept, any_clients, written_back);
    problem_ = now;
    writable_ = now.empty();
  }
  if (written_back) {
    events_.add("state",
                fmt::format("files were missing in the state directory {}; keys and clients are "
                            "written back",
                            state_.path()),
                EventKind::warning);
  }
  if (now != before) {
    events_.add("state", now.empty() ? state_.path() + " is in order again" : now,
                warning_if(!now.empty()));
  }
  return written_back;
}

std::string StateWatch::problem() const {
  const MutexLock lock(mutex_);
  return problem_;
}

std::string StateWatch::find_problem(const Kept& kept, bool any_clients, bool& written_back) {
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
    if (kept.identity != nullptr && !state_.agrees_with(*kept.identity)) {
      return fmt::format(
          "the state directory {} was replaced, and the present one holds another server key; "
          "restart the node to use that one, or put back the old directory",
          path);
    }
    if (auto taken = lock_->take_again(); !taken) {
      return fmt::format("the state directory {} was replaced: {}", path, taken.error().message);
    }
  }
  const bool whole = state_.whole(kept.identity != nullptr, any_clients, !kept.address.empty());
  if (auto made = kept.cookies ? state_.cookie_directory() : std::string(); !made) {
    return made.error().message;
  }
  if (whole) return "";
  auto written = state_.restore(kept.node_id, kept.identity, kept.address);
  if (written && any_clients) written = clients_.keep();
  if (!written) {
    return fmt::format("files are missing in the state directory {} and cannot be written back: {}",
                       path, written.error().message);
  }
  written_back = true;
  return "";
}

bool StateWatch::has_invited() const {
  const auto clients = book_.list();
  return std::any_of(clients.begin(), clients.end(),
                     [](const auto& client) { return !client->shared_key.empty(); });
}

}  // namespace qanat::node
