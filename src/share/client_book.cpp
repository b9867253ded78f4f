#include "share/client_book.h"

#include <fmt/core.h>

#include <algorithm>

namespace qanat::share {

bool valid_client_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), allowed);
}

Result<std::shared_ptr<Client>> ClientBook::add(const std::string& name, SecretBytes shared_key,
                                                Terms invited) {
  if (!valid_client_name(name)) {
    return error(
        fmt::format("'{}' is no client name: 1 to 64 letters, digits, '.', '_' and '-' are", name));
  }
  auto client = make_client(name, std::move(shared_key), invited);
  const MutexLock lock(mutex_);
  if (!clients_.emplace(name, client).second) {
    return error(
        fmt::format("there is a client '{}' already; revoke it first, or take another name", name));
  }
  barred_.erase(name);
  version_.fetch_add(1, std::memory_order_release);
  return client;
}

std::shared_ptr<Client> ClientBook::make_client(const std::string& name, SecretBytes key,
                                                const Terms& invited) {
  return std::make_shared<Client>(name, std::move(key), invited, ++last_serial_,
                                  open_flow_(name, terms_for(name, invited)));
}

Terms ClientBook::terms_locked(const std::string& name, const Terms& invited) const {
  const auto found = configured_.find(name);
  return found == configured_.end() ? invited : found->second;
}

Terms ClientBook::terms_for(const std::string& name, const Terms& invited) const {
  const MutexLock lock(mutex_);
  return terms_locked(name, invited);
}

void ClientBook::configure(std::map<std::string, Terms> terms) {
  {
    const MutexLock lock(mutex_);
    configured_ = std::move(terms);
  }
  for (const auto& client : list()) {
    const Terms now = terms_for(client->name, client->invited);
    if (now != client->flow.report().terms) client->flow.set_terms(now);
  }
}

std::shared_ptr<Client> ClientBook::find_or_add_certified(const std::string& name,
                                                          std::int64_t now) {
  if (!valid_client_name(name)) return nullptr;
  bool refused = false;
  {
    const MutexLock lock(mutex_);
    auto known = find_certified_locked(name, now, refused);
    if (known || refused) return known;
  }
  auto made = make_client(name, SecretBytes(), Terms());
  const MutexLock lock(mutex_);
  // Another thread may have met it meanwhile.
  auto known = find_certified_locked(name, now, refused);
  if (known || refused) return known;
  clients_.emplace(name, made);
  ++certified_;
  version_.fetch_add(1, std::memory_order_release);
  // Before it can be forgotten.
  made->last_seen.store(now);
  if (certified_ > forget_at_) forget_idle_locked(now);
  return made;
}

std::shared_ptr<Client> ClientBook::find_certified_locked(const std::string& name, std::int64_t now,
                                                          bool& refused) {
  const auto found = clients_.find(name);
  refused =
      barred_.contains(name) || (found != clients_.end() && !found->second->shared_key.empty());
  if (refused || found == clients_.end()) return nullptr;
  found->second->last_seen.store(now);
  return found->second;
}

void ClientBook::forget_idle_locked(std::int64_t now) {
  constexpr std::int64_t idle_seconds = 600;
  const auto& configured = configured_;
  certified_ -= std::erase_if(clients_, [&](const auto& entry) {
    const Client& client = *entry.second;
    return client.shared_key.empty() && client.connections.load() == 0 &&
           client.last_seen.load() < now - idle_seconds && !configured.contains(entry.first);
  });
  // Where few were idle the next look is worth its price only after as many more.
  forget_at_ = std::max(most_certified, certified_ + most_certified / 8);
  version_.fetch_add(1, std::memory_order_release);
}

void ClientBook::bar(const std::string& name) {
  const MutexLock lock(mutex_);
  barred_.insert(name);
  version_.fetch_add(1, std::memory_order_release);
}

std::vector<std::string> ClientBook::barred() const {
  const MutexLock lock(mutex_);
  return {barred_.begin(), barred_.end()};
}

bool ClientBook::revoke(const std::string& name) {
  std::shared_ptr<Client> client;
  std::vector<std::function<void(const std::shared_ptr<Client>&)>> callbacks;
  {
    const MutexLock lock(mutex_);
    auto node = clients_.extract(name);
    if (node.empty()) return false;
    client = std::move(node.mapped());
    client->revoked.store(true);
    if (client->shared_key.empty()) {
      barred_.insert(name);
      --certified_;
    }
    version_.fetch_add(1, std::memory_order_release);
    callbacks = revoke_callbacks_;
  }
  client->flow.forgo_guarantee();
  for (const auto& callback : callbacks) callback(client);
  return true;
}

std::shared_ptr<Client> ClientBook::find(const std::string& name) const {
  const MutexLock lock(mutex_);
  const auto found = clients_.find(name);
  return found == clients_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Client>> ClientBook::list() const {
  const MutexLock lock(mutex_);
  std::vector<std::shared_ptr<Client>> all;
  for (const auto& [name, client] : clients_) all.push_back(client);
  return all;
}

void ClientBook::on_revoke(std::function<void(const std::shared_ptr<Client>&)> callback) {
  const MutexLock lock(mutex_);
  revoke_callbacks_.push_back(std::move(callback));
}

}  // namespace qanat::share
