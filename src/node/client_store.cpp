#include "node/client_store.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/log.h"
#include "crypto/aead.h"
#include "wire/join_string.h"
#include "wire/observer_token.h"

namespace qanat::node {

ClientStore::ClientStore(const StateDir& state, share::ClientBook& book)
    : state_(state), book_(book) {
  auto stored = state.load_clients();
  if (!stored) throw Failure(stored.error().message);
  for (StoredClient& client : stored->clients) {
    if (auto added = book.add(client.name, std::move(client.key), client.terms, client.observer);
        !added) {
      log_warning("stored client ignored: {}", added.error().message);
    }
  }
  book.set_bars(stored->bars);
}

// Whoever stores last, stores all.
Result<void> ClientStore::store() {
  const MutexLock lock(mutex_);
  StoredClients stored;
  auto clients = book_.list();
  std::sort(clients.begin(), clients.end(),
            [](const auto& a, const auto& b) { return a->serial < b->serial; });
  for (const auto& client : clients) {
    if (client->shared_key.empty()) continue;  // known by its certificate
    stored.clients.push_back(
        {client->name, SecretBytes(client->shared_key.view()), client->invited, client->observer});
  }
  stored.bars = book_.bars();
  return state_.store_clients(stored);
}

Result<ClientStore::Invitation> ClientStore::invite(const std::string& name, share::Terms terms,
                                                    const std::string& address,
                                                    const crypto::Pin& pin, bool replace) {
  wire::JoinString join;
  join.name = name;
  join.pin = pin;
  join.key = SecretBytes(share::shared_key_bytes);
  crypto::random_bytes(join.key.view());
  auto parsed = spec::parse_address(address);
  if (!parsed) return tl::unexpected(parsed.error());
  join.address = *parsed;
  if (auto possible = share::check(terms); !possible) return tl::unexpected(possible.error());
  return add(name, {SecretBytes(join.key.view()), terms}, encode(join), replace);
}

Result<ClientStore::Invitation> ClientStore::invite_observer(const std::string& name,
                                                             bool replace) {
  wire::ObserverToken token{name, SecretBytes(wire::ObserverToken::key_bytes)};
  crypto::random_bytes(token.key.view());
  return add(name, {wire::kept_of_key(token.key.view()), std::nullopt}, encode(token), replace);
}

Result<ClientStore::Invitation> ClientStore::add(const std::string& name, Guest guest,
                                                 std::string invitation, bool replace) {
  const auto old = replace ? book_.find(name) : nullptr;
  if (old) {
    // Ended as by a revocation, and no bar left behind.
    if (auto revoked = book_.revoke(name); !revoked) return tl::unexpected(revoked.error());
    (void)book_.allow(name);
  }
  const auto put_back = [&] {
    if (!old || old->shared_key.empty()) return;
    (void)book_.add(name, SecretBytes(old->shared_key.view()), old->invited, old->observer);
  };
  const auto added = book_.add(name, std::move(guest.key), guest.terms.value_or(share::Terms()),
                               !guest.terms.has_value());
  if (!added) {
    wire::wipe_text(invitation);
    put_back();
    return tl::unexpected(added.error());
  }
  const std::uint64_t serial = (*added)->serial;
  if (auto stored = store(); !stored) {
    book_.withdraw(name, serial);
    wire::wipe_text(invitation);
    put_back();
    return error("the invitation was not kept: " + stored.error().message);
  }
  return Invitation{std::move(invitation), serial};
}

Result<void> ClientStore::withdraw(const std::string& name, std::uint64_t serial) {
  if (!book_.withdraw(name, serial)) {
    return error(fmt::format("there is no such invitation of '{}' any more", name));
  }
  return store();
}

Result<bool> ClientStore::revoke(const std::string& name) {
  auto revoked = book_.revoke(name);
  const auto stored = store();
  if (!revoked) return revoked;
  if (!stored) {
    return error(
        fmt::format("{}: '{}' is revoked for as long as a node runs here, and no longer; "
                    "mend that, and revoke it again",
                    stored.error().message, name));
  }
  return revoked;
}

Result<void> ClientStore::allow(const std::string& name) {
  if (!book_.allow(name)) {
    return error(
        fmt::format("'{}' is not revoked; 'qanat clients --revoked' lists those that are", name));
  }
  if (auto stored = store(); !stored) {
    return error(
        fmt::format("{}: '{}' is allowed for as long as a node runs here, and no longer; "
                    "mend that, and allow it again",
                    stored.error().message, name));
  }
  return {};
}

Result<void> ClientStore::keep() { return store(); }

}  // namespace qanat::node
