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
                                                Terms invited, bool observer) {
  if (!valid_client_name(name)) {
    return error(
        fmt::format("'{}' is not a client name: 1 to 64 letters, digits, '.', '_' and '-'", name));
  }
  auto client = make_client(name, std::move(shared_key), invited, observer);
  const MutexLock lock(mutex_);
  if (bars_.contains(name)) {
    return error(fmt::format("'{}' was revoked; 'qanat allow {}' lifts that, or take another name",
                             name, name));
  }
  if (!clients_.emplace(name, client).second) {
    return error(
        fmt::format("there is a client '{0}' already; take another name, invite it anew with "
                    "--replace, which makes its old join string void, or end it with 'qanat revoke "
                    "{0}'",
                    name));
  }
  if (observer) ++observers_;
  version_.fetch_add(1, std::memory_order_release);
  return client;
}

std::shared_ptr<Client> ClientBook::make_client(const std::string& name, SecretBytes key,
                                                const Terms& invited, bool observer) {
  // The terms of a [[client]] are not an observer's of that name: it draws nothing.
  return std::make_shared<Client>(name, std::move(key), invited, ++last_serial_,
                                  open_flow_(name, observer ? invited : terms_for(name, invited)),
                                  observer);
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
    if (client->observer) continue;
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
  auto made = make_client(name, SecretBytes(), Terms(), false);
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
  refused = bars_.contains(name) || (found != clients_.end() && !found->second->shared_key.empty());
  if (refused || found == clients_.end()) return nullptr;
  found->second->last_seen.store(now);
  return found->second;
}

void ClientBook::forget_idle_locked(std::int64_t now) {
  constexpr std::int64_t idle_seconds = 600;
  const auto* const configured = &configured_;
  certified_ -= std::erase_if(clients_, [now, configured](const auto& entry) {
    const Client& client = *entry.second;
    return client.shared_key.empty() && client.connections.load() == 0 &&
           client.last_seen.load() < now - idle_seconds && !configured->contains(entry.first);
  });
  // Where few were idle the next look is worth its price only after as many more.
  forget_at_ = std::max(most_certified, certified_ + most_certified / 8);
  version_.fetch_add(1, std::memory_order_release);
}

// False when there are too many that must be kept.
bool ClientBook::bar_locked(const std::string& name, bool had_key) {
  if (bars_.size() >= most_bars) {
    auto oldest = bars_.end();
    for (auto it = bars_.begin(); it != bars_.end(); ++it) {
      const bool older = oldest == bars_.end() || it->second.number < oldest->second.number;
      if (it->second.had_key && older) oldest = it;
    }
    if (oldest == bars_.end()) return false;
    bars_.erase(oldest);
  }
  bars_.emplace(name, NumberedBar{++last_bar_, had_key});
  version_.fetch_add(1, std::memory_order_release);
  bars_version_.fetch_add(1, std::memory_order_release);
  return true;
}

std::vector<Bar> ClientBook::bars() const {
  std::vector<std::pair<std::uint64_t, Bar>> numbered;
  {
    const MutexLock lock(mutex_);
    for (const auto& [name, bar] : bars_) numbered.push_back({bar.number, {name, bar.had_key}});
  }
  std::sort(numbered.begin(), numbered.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Bar> bars;
  for (auto& [number, bar] : numbered) bars.push_back(std::move(bar));
  return bars;
}

void ClientBook::set_bars(const std::vector<Bar>& bars) {
  const MutexLock lock(mutex_);
  bars_.clear();
  for (const Bar& bar : bars) bar_locked(bar.name, bar.had_key);
}

bool ClientBook::allow(const std::string& name) {
  const MutexLock lock(mutex_);
  if (bars_.erase(name) == 0) return false;
  version_.fetch_add(1, std::memory_order_release);
  bars_version_.fetch_add(1, std::memory_order_release);
  return true;
}

// Null when there is none of this name.
std::shared_ptr<Client> ClientBook::remove_locked(const std::string& name) {
  auto node = clients_.extract(name);
  if (node.empty()) return nullptr;
  std::shared_ptr<Client> client = std::move(node.mapped());
  client->revoked.store(true);
  if (client->shared_key.empty()) --certified_;
  if (client->observer) --observers_;
  version_.fetch_add(1, std::memory_order_release);
  return client;
}

void ClientBook::tell(const std::shared_ptr<Client>& client) {
  std::vector<std::function<void(const std::shared_ptr<Client>&)>> callbacks;
  {
    const MutexLock lock(mutex_);
    callbacks = revoke_callbacks_;
  }
  client->flow.forgo_guarantee();
  for (const auto& callback : callbacks) callback(client);
}

Result<bool> ClientBook::revoke(const std::string& name) {
  if (!valid_client_name(name)) return error(fmt::format("'{}' is not a client name", name));
  std::shared_ptr<Client> client;
  bool barred = false;
  {
    const MutexLock lock(mutex_);
    if (bars_.contains(name)) return error(fmt::format("'{}' is revoked already", name));
    client = remove_locked(name);
    barred = bar_locked(name, client && !client->shared_key.empty());
  }
  if (client) tell(client);
  if (!barred) {
    return error(fmt::format(
        "'{}' cannot be barred: {} names are, as many as may be; 'qanat allow NAME' lifts those "
        "whose certificates have expired, or change the CA",
        name, most_bars));
  }
  return client != nullptr;
}

bool ClientBook::withdraw(const std::string& name, std::uint64_t serial) {
  std::shared_ptr<Client> client;
  {
    const MutexLock lock(mutex_);
    const auto found = clients_.find(name);
    if (found == clients_.end() || found->second->serial != serial) return false;
    client = remove_locked(name);
  }
  tell(client);
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
  all.reserve(clients_.size());
  for (const auto& [name, client] : clients_) all.push_back(client);
  return all;
}

std::size_t ClientBook::size() const {
  const MutexLock lock(mutex_);
  return clients_.size() - observers_;
}

void ClientBook::on_revoke(std::function<void(const std::shared_ptr<Client>&)> callback) {
  const MutexLock lock(mutex_);
  revoke_callbacks_.push_back(std::move(callback));
}

}  // namespace qanat::share
