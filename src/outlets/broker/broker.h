// Entropy Broker: its consumers draw from us, and its producers deliver to us.
// docs/protocols/broker.md.
#pragma once

#include <map>

#include "base/mutex.h"
#include "serve/inflow.h"
#include "serve/stream_outlet.h"
#include "share/token_bucket.h"
#include "wire/broker_session.h"

namespace qanat::outlets {

struct BrokerSettings {
  serve::StreamSettings stream;
  std::string users_file;
  wire::broker::Suite suite;
  entropy::Claim claim;  // of what producers deliver
};

// Of the users file.
struct BrokerUser {
  BrokerUser(std::string user_name, const std::string& user_password, std::uint64_t user_rate)
      : name(std::move(user_name)), password(as_bytes(user_password)), rate(user_rate) {}

  const std::string name;
  const SecretBytes password;
  const std::uint64_t rate;  // bytes per second, at most; 0: no limit
  share::TokenBucket bucket;
};

class Broker final : public serve::StreamOutlet {
 public:
  Broker(BrokerSettings settings, const serve::OutletServices& services);
  ~Broker() override;

  // Throws Failure when the users file cannot be read or understood, or when OpenSSL lacks an
  // algorithm.
  void start() override;
  // Reads the users file again. Where it is wrong, the users stay as they are. Who is in it no more
  // may end what he has begun, and not come back.
  void reload() override;
  observe::OutletReport report() const override;

  // For its connections, from any thread. Null when there is no such user.
  std::shared_ptr<BrokerUser> find_user(std::string_view name) const;
  // What a user delivers.
  std::shared_ptr<serve::Inflow> inflow_of(const BrokerUser& user);
  const BrokerSettings& settings() const { return settings_; }

  using Users = std::map<std::string, std::shared_ptr<BrokerUser>, std::less<>>;
  // Of the users file. Throws Failure when it cannot be read or understood.
  static Users read_users(const BrokerSettings& settings);

 private:
  std::unique_ptr<serve::StreamWorker> make_worker(std::size_t slot, UniqueFd listener) override;

  const BrokerSettings settings_;
  mutable Mutex mutex_;
  Users users_ GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<serve::Inflow>> inflows_ GUARDED_BY(mutex_);
};

}  // namespace qanat::outlets
