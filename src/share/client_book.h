// Who may draw, and what each has drawn.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "share/fair_queue.h"

namespace qanat::share {

constexpr std::size_t shared_key_bytes = 32;

// What was agreed with a client.
struct Terms {
  std::uint64_t rate = 0;   // guaranteed, bytes per second
  std::uint64_t burst = 0;  // bytes
  double weight = 1;
};

// One who draws. Counters are updated without a lock by whoever serves it.
struct Client {
  Client(std::string client_name, SecretBytes key, Terms client_terms, FlowId flow_id)
      : name(std::move(client_name)),
        shared_key(std::move(key)),
        terms(client_terms),
        flow(flow_id) {}

  const std::string name;
  const SecretBytes shared_key;  // empty for one known by its certificate
  const Terms terms;
  const FlowId flow;
  std::atomic<bool> revoked{false};
  std::atomic<std::uint64_t> full_bytes{0};
  std::atomic<std::uint64_t> drbg_bytes{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::int64_t> last_seen{0};  // seconds since 1970, 0 for never
};

// "router", "vm-17.rack3": letters, digits, '.', '_', '-'; 1 to 64 of them.
bool valid_client_name(std::string_view name);

// Thread-safe.
class ClientBook {
 public:
  explicit ClientBook(std::function<FlowId()> open_flow) : open_flow_(std::move(open_flow)) {}

  // An Error when the name is taken or not valid.
  Result<std::shared_ptr<Client>> add(const std::string& name, SecretBytes shared_key, Terms terms);
  // From now on the client draws nothing: `on_revoke` callbacks close its connections. False when
  // there is none of this name.
  bool revoke(const std::string& name);
  std::shared_ptr<Client> find(const std::string& name) const;
  std::vector<std::shared_ptr<Client>> list() const;
  // A client whom a CA vouches for: known from its first connection on. Null when the name is not
  // valid, was revoked, or belongs to a client with a pre-shared key.
  std::shared_ptr<Client> find_or_add_certified(const std::string& name);
  // Names that a certificate may no longer use; invite ends it.
  void bar(const std::string& name);
  std::vector<std::string> barred() const;

  // Called with each revoked client, in the thread that revokes.
  void on_revoke(std::function<void(const std::shared_ptr<Client>&)> callback);

 private:
  const std::function<FlowId()> open_flow_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Client>, std::less<>> clients_;
  std::set<std::string> barred_;
  std::vector<std::function<void(const std::shared_ptr<Client>&)>> revoke_callbacks_;
};

}  // namespace qanat::share
