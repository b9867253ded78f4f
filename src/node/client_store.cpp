#include "node/client_store.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/log.h"
#include "crypto/aead.h"
#include "wire/join_string.h"

namespace qanat::node {

ClientStore::ClientStore(const StateDir& state, share::ClientBook& book)
    : state_(state), book_(book) {
  auto stored = state.load_clients();
  if (!stored) throw Failure(stored.error().message);
  for (StoredClient& client : stored->clients) {
    if (auto added = book.add(client.name, std::move(client.key), client.terms); !added) {
      log_warning("stored client ignored: {}", added.error().message);
    }
  }
  for (const std::string& name : stored->barred) book.bar(name);
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
        {client->name, SecretBytes(client->shared_key.view()), client->invited});
  }
  stored.barred = book_.barred();
  return state_.store_clients(stored);
}

Result<std::string> ClientStore::invite(const std::string& name, share::Terms terms,
                                        const std::string& address, const crypto::Pin& pin) {
  wire::JoinString join;
  join.name = name;
  join.pin = pin;
  join.key = SecretBytes(share::shared_key_bytes);
  crypto::random_bytes(join.key.view());
  auto parsed = wire::parse_address(address);
  if (!parsed) return tl::unexpected(parsed.error());
  join.address = *parsed;
  if (auto possible = share::check(terms); !possible) return tl::unexpected(possible.error());
  auto added = book_.add(name, SecretBytes(join.key.view()), terms);
  if (!added) return tl::unexpected(added.error());
  if (auto stored = store(); !stored) {
    book_.revoke(name);
    return error("the invitation was not kept: " + stored.error().message);
  }
  return encode(join);
}

Result<void> ClientStore::revoke(const std::string& name) {
  if (!book_.revoke(name)) {
    return error(fmt::format("there is no client '{}'; 'qanat clients' lists them", name));
  }
  if (auto stored = store(); !stored) {
    return error(fmt::format("'{}' is revoked until the next restart only: {}", name,
                             stored.error().message));
  }
  return {};
}

}  // namespace qanat::node
