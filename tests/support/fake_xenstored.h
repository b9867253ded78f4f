// A xenstored in this process: a tree, watches, and transactions of one client at a time. It does
// as it is told, also what the real one never would.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/waker.h"
#include "net/listen.h"
#include "support/noise.h"
#include "wire/xenstore.h"

namespace qanat::test {

class FakeXenstored {
 public:
  using Kind = wire::xenstore::Kind;

  explicit FakeXenstored(const std::string& path)
      : listener_(net::listen_unix(path, 0600)), thread_([this] { run(); }) {}
  FakeXenstored(const FakeXenstored&) = delete;
  FakeXenstored& operator=(const FakeXenstored&) = delete;
  ~FakeXenstored() {
    stop_ = true;
    waker_.wake();
    thread_.join();
  }

  // As another client would.
  void write(const std::string& path, const std::string& value) {
    const std::scoped_lock lock(mutex_);
    set(path, value);
    changed(path);
  }
  void remove(const std::string& path) {
    const std::scoped_lock lock(mutex_);
    remove_below(path);
  }
  // Runs `act` when the next request of this kind has come, and before it is answered.
  void before(Kind kind, std::function<void()> act) {
    const std::scoped_lock lock(mutex_);
    acts_[kind] = std::move(act);
  }
  void tell(const std::string& path) {
    const std::scoped_lock lock(mutex_);
    changed(path);
  }
  std::optional<std::string> at(const std::string& path) const {
    const std::scoped_lock lock(mutex_);
    const auto found = tree_.find(path);
    return found == tree_.end() ? std::nullopt : std::optional(found->second);
  }
  std::string permissions(const std::string& path) {
    const std::scoped_lock lock(mutex_);
    return permissions_[path];
  }
  // Of requests of this kind whose payload begins with `path`.
  void refuse(Kind kind, const std::string& path, const std::string& reason) {
    const std::scoped_lock lock(mutex_);
    refusals_[{kind, path}] = reason;
  }
  void hang_up() {
    hang_up_ = true;
    waker_.wake();
  }
  std::size_t heard(Kind kind) {
    const std::scoped_lock lock(mutex_);
    return heard_[kind];
  }
  std::atomic<int> conflicts{0};    // so many transactions meet with others
  std::atomic<bool> silent{false};  // takes requests, and answers none
  std::atomic<int> unanswered{0};   // so many were taken

 private:
  struct Client {
    explicit Client(int socket) : fd(socket) {}
    UniqueFd fd;
    Samples in;
    std::vector<std::pair<std::string, std::string>> watches;  // path, token
    // Its transaction: what it has looked at, and what it will write, or remove.
    bool in_transaction = false;
    std::uint64_t began = 0;
    std::set<std::string> seen;
    std::map<std::string, std::optional<std::string>> pending;
  };

  void run() {
    while (!stop_) {
      std::vector<pollfd> polled{{waker_.fd(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      for (const Client& client : clients_) polled.push_back({client.fd.get(), POLLIN, 0});
      (void)::poll(polled.data(), polled.size(), -1);
      waker_.clear();
      const std::scoped_lock lock(mutex_);
      if (hang_up_.exchange(false)) {
        clients_.clear();
        continue;
      }
      for (std::size_t i = clients_.size(); i-- > 0;) {
        if (polled[2 + i].revents != 0 && !hear(clients_[i])) {
          clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(i));
        }
      }
      if (polled[1].revents != 0) {
        clients_.emplace_back(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      }
    }
  }

  bool hear(Client& client) {
    std::array<std::uint8_t, 65536> some;
    const ssize_t n = ::recv(client.fd.get(), some.data(), some.size(), MSG_DONTWAIT);
    if (n <= 0) return n < 0 && errno == EAGAIN;
    client.in.insert(client.in.end(), some.begin(), some.begin() + n);
    wire::xenstore::Message message;
    std::size_t used = 0;
    while (decode(client.in, message, used) == wire::Status::complete) {
      ++heard_[message.kind];
      if (const auto act = acts_.extract(message.kind)) act.mapped()();
      if (silent) {
        ++unanswered;
      } else {
        answer(client, message);
      }
      client.in.erase(client.in.begin(), client.in.begin() + static_cast<std::ptrdiff_t>(used));
    }
    return true;
  }

  static void say(const Client& client, wire::xenstore::Message head, std::string_view payload) {
    Samples out(wire::xenstore::most_message);
    const Bytes part = as_bytes(payload);
    const std::size_t size = encode(head, std::span(&part, 1), out);
    (void)!::send(client.fd.get(), out.data(), size, MSG_NOSIGNAL);
  }

  void changed(const std::string& path) {
    for (const Client& client : clients_) {
      for (const auto& [watched, token] : client.watches) {
        if (path == watched || path.starts_with(watched + "/")) tell(client, path, token);
      }
    }
  }
  static void tell(const Client& client, const std::string& path, const std::string& token) {
    say(client, {Kind::event, 0, 0, {}}, path + '\0' + token + '\0');
  }
  void set(const std::string& path, const std::optional<std::string>& value) {
    versions_[path] = ++version_;
    if (value) {
      tree_[path] = *value;
    } else {
      tree_.erase(path);
    }
  }
  void remove_below(const std::string& path) {
    std::vector<std::string> gone;
    for (const auto& [name, value] : tree_) {
      if (name == path || name.starts_with(path + "/")) gone.push_back(name);
    }
    for (const std::string& name : gone) {
      set(name, std::nullopt);
      changed(name);
    }
  }

  void answer(Client& client, const wire::xenstore::Message& question) {
    wire::xenstore::Message head = question;
    Bytes rest = question.payload;
    const std::string path(wire::xenstore::take_string(rest));
    std::string reply = "OK";
    std::string refused;
    const auto known = refusals_.find({question.kind, path});
    if (known != refusals_.end()) {
      refused = known->second;
    } else {
      refused = act(client, question.kind, path, std::string(as_text(rest)), reply);
    }
    if (!refused.empty()) {
      head.kind = Kind::error;
      reply = refused + '\0';
    }
    say(client, head, reply);
    if (question.kind == Kind::watch && refused.empty())
      tell(client, path, client.watches.back().second);
  }

  // Why not; empty: done.
  std::string act(Client& client, Kind kind, const std::string& path, const std::string& rest,
                  std::string& reply) {
    switch (kind) {
      case Kind::read: {
        client.seen.insert(path);
        const auto pending = client.pending.find(path);
        const auto found = tree_.find(path);
        const auto value = pending != client.pending.end() ? pending->second
                           : found != tree_.end()          ? std::optional(found->second)
                                                           : std::nullopt;
        if (!value) return "ENOENT";
        reply = *value;
        return {};
      }
      case Kind::directory: {
        if (!tree_.contains(path)) return "ENOENT";
        reply.clear();
        for (const auto& [name, value] : tree_) {
          if (!name.starts_with(path + "/")) continue;
          const std::string child = name.substr(path.size() + 1);
          if (child.find('/') == std::string::npos) reply += child + '\0';
        }
        return reply.size() > wire::xenstore::most_payload ? "E2BIG" : "";
      }
      case Kind::write:
      case Kind::remove: {
        const auto value = kind == Kind::write ? std::optional(rest) : std::nullopt;
        client.pending[path] = value;
        if (!client.in_transaction) commit(client);
        return {};
      }
      case Kind::set_permissions:
        permissions_[path] = rest;
        return {};
      case Kind::watch:
        client.watches.emplace_back(path, rest.substr(0, rest.find('\0')));
        return {};
      case Kind::unwatch:
        std::erase(client.watches, std::pair(path, rest.substr(0, rest.find('\0'))));
        return {};
      case Kind::begin:
        client.in_transaction = true;
        client.began = version_;
        client.seen.clear();
        reply = std::string("1") + '\0';
        return {};
      case Kind::end: {
        client.in_transaction = false;
        const bool met = std::any_of(client.seen.begin(), client.seen.end(), [&](const auto& one) {
          return versions_[one] > client.began;
        });
        if (path == "T" && (conflicts-- > 0 || met)) {
          client.pending.clear();
          return "EAGAIN";
        }
        if (path == "F") client.pending.clear();
        commit(client);
        return {};
      }
      default:
        return "ENOSYS";
    }
  }
  void commit(Client& client) {
    for (const auto& [path, value] : client.pending) {
      if (value) {
        set(path, value);
        changed(path);
      } else {
        remove_below(path);
      }
    }
    client.pending.clear();
  }

  UniqueFd listener_;
  const Waker waker_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> hang_up_{false};
  mutable std::recursive_mutex mutex_;  // an act may do as another client would
  std::map<std::string, std::string> tree_;
  std::uint64_t version_ = 0;
  std::map<std::string, std::uint64_t> versions_;
  std::map<std::string, std::string> permissions_;
  std::map<std::pair<Kind, std::string>, std::string> refusals_;
  std::map<Kind, std::function<void()>> acts_;
  std::map<Kind, std::size_t> heard_;
  std::vector<Client> clients_;
  std::thread thread_;
};

}  // namespace qanat::test
