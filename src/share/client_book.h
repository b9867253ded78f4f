// Who may draw, and what each has drawn.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/mutex.h"
#include "base/secret.h"
#include "share/dispenser.h"
#include "share/minute_counter.h"
#include "share/token_bucket.h"

namespace qanat::share {

constexpr std::size_t shared_key_bytes = 32;

// One who draws. Counters are updated without a lock by whoever serves it.
struct Client {
  Client(std::string client_name, SecretBytes key, Terms invited_terms, std::uint64_t number,
         Flow client_flow, bool observes)
      : name(std::move(client_name)),
        shared_key(std::move(key)),
        invited(invited_terms),
        serial(number),
        observer(observes),
        flow(std::move(client_flow)) {}

  const std::string name;
  // Empty for one known by its certificate; of an observer, a hash of its token's key.
  const SecretBytes shared_key;
  const Terms invited;         // of the invitation; the configuration's go before: see `flow`
  const std::uint64_t serial;  // the older, the smaller
  const bool observer;         // sees all, draws nothing
  Flow flow;                   // with the terms that hold
  TokenBucket drbg_bucket;
  TokenBucket document_bucket;
  TokenBucket session_bucket;
  std::atomic<bool> revoked{false};
  std::atomic<std::uint64_t> full_bytes{0};
  std::atomic<std::uint64_t> drbg_bytes{0};
  MinuteCounter recent_bytes;  // of both grades
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::int64_t> last_seen{0};  // seconds since 1970, 0 for never
};

// "router", "vm-17.rack3": letters, digits, '.', '_', '-'; 1 to 64 of them.
bool valid_client_name(std::string_view name);

// A name that may not be used until `allow`.
struct Bar {
  std::string name;
  // It had a pre-shared key, which is gone: what was given out under this name is dead without the
  // bar, too.
  bool had_key = false;
};

// Thread-safe.
class ClientBook {
 public:
  using OpenFlow = std::function<Flow(const std::string& name, const Terms& terms)>;

  explicit ClientBook(OpenFlow open_flow) : open_flow_(std::move(open_flow)) {}

  // The configuration's terms, by name: they go before those of an invitation, for clients that are
  // here and for those to come.
  void configure(std::map<std::string, Terms> terms);
  // What holds for a client of this name that was invited with `invited`.
  Terms terms_for(const std::string& name, const Terms& invited) const;

  // An Error when the name is taken, barred or not valid.
  Result<std::shared_ptr<Client>> add(const std::string& name, SecretBytes shared_key,
                                      Terms invited, bool observer = false);
  // Takes back an `add` that nobody has heard of; the name stays free. False when the client is
  // another by now.
  bool withdraw(const std::string& name, std::uint64_t serial);
  // From now on nobody draws under this name, known or not, by key or by certificate: `on_revoke`
  // callbacks close its connections. True when a client was here. An Error when the name is barred
  // already, not valid, or one too many (most_bars): a client that is here ends even then.
  Result<bool> revoke(const std::string& name);
  // Ends a bar; false when there is none.
  bool allow(const std::string& name);
  // Beyond so many bars the oldest of those with `had_key` is forgotten. Where none has, a further
  // name is refused: whose certificates are so often bad needs another CA.
  static constexpr std::size_t most_bars = 10000;
  // The oldest first.
  std::vector<Bar> bars() const;
  // As stored: nothing is refused or told.
  void set_bars(const std::vector<Bar>& bars);
  std::shared_ptr<Client> find(const std::string& name) const;
  std::vector<std::shared_ptr<Client>> list() const;
  // Of those that draw: how many there are.
  std::size_t size() const;
  // Changes with every client that comes or goes: whoever keeps a list of its own looks here.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  // Changes with every bar: even a client that the book has forgotten may have to end.
  std::uint64_t bars_version() const { return bars_version_.load(std::memory_order_acquire); }
  // A client whom a CA vouches for: known from its first connection on. Null when the name is not
  // valid, was revoked, or belongs to a client with a pre-shared key. Beyond most_certified of
  // them, those that have no connection, no terms of the configuration and were not seen for ten
  // minutes are forgotten: a fleet of a million does not fill the memory of a hub that each visits
  // once a day. `now` in seconds since 1970.
  static constexpr std::size_t most_certified = 10000;
  std::shared_ptr<Client> find_or_add_certified(const std::string& name, std::int64_t now);

  // Called with each revoked client, in the thread that revokes.
  void on_revoke(std::function<void(const std::shared_ptr<Client>&)> callback);

 private:
  using Clients = std::map<std::string, std::shared_ptr<Client>, std::less<>>;
  struct NumberedBar {
    std::uint64_t number;  // the older, the smaller
    bool had_key;
  };

  std::shared_ptr<Client> make_client(const std::string& name, SecretBytes key,
                                      const Terms& invited, bool observer) EXCLUDES(mutex_);
  std::shared_ptr<Client> find_certified_locked(const std::string& name, std::int64_t now,
                                                bool& refused) REQUIRES(mutex_);
  void forget_idle_locked(std::int64_t now) REQUIRES(mutex_);
  bool bar_locked(const std::string& name, bool had_key) REQUIRES(mutex_);
  std::shared_ptr<Client> remove_locked(const std::string& name) REQUIRES(mutex_);
  void tell(const std::shared_ptr<Client>& client) EXCLUDES(mutex_);
  Terms terms_locked(const std::string& name, const Terms& invited) const REQUIRES(mutex_);

  // A flow is opened and changed with no lock held: the dispenser calls others back.
  const OpenFlow open_flow_;
  std::atomic<std::uint64_t> last_serial_{0};
  std::atomic<std::uint64_t> version_{0};
  std::atomic<std::uint64_t> bars_version_{0};
  mutable Mutex mutex_;
  std::map<std::string, Terms> configured_ GUARDED_BY(mutex_);
  Clients clients_ GUARDED_BY(mutex_);
  std::size_t certified_ GUARDED_BY(mutex_) = 0;  // of them
  std::size_t observers_ GUARDED_BY(mutex_) = 0;  // of them
  std::size_t forget_at_ GUARDED_BY(mutex_) = most_certified;
  std::map<std::string, NumberedBar> bars_ GUARDED_BY(mutex_);
  std::uint64_t last_bar_ GUARDED_BY(mutex_) = 0;
  std::vector<std::function<void(const std::shared_ptr<Client>&)>> revoke_callbacks_
      GUARDED_BY(mutex_);
};

}  // namespace qanat::share
