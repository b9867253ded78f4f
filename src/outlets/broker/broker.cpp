#include "outlets/broker/broker.h"

#include <fmt/core.h>

#include "net/io_threads.h"
#include "outlets/broker/connection.h"
#include "serve/inflow.h"

namespace qanat::outlets {

namespace {

// Some twenty thousand users.
constexpr std::size_t most_users_bytes = 1 << 20;

}  // namespace

Broker::Broker(BrokerSettings settings, const serve::OutletServices& services)
    : serve::StreamOutlet(settings.stream.name, settings.stream.at, settings.stream.terms,
                          services),
      settings_(std::move(settings)) {}

Broker::~Broker() { stop(); }

void Broker::start() {
  Users users = read_users();
  {
    const MutexLock lock(mutex_);
    users_ = std::move(users);
  }
  // What is missing in OpenSSL is known now, not at the first login.
  const wire::broker::Suite& suite = settings_.suite;
  (void)wire::broker::prove(suite.hash, "0", "password");
  (void)wire::broker::Session({suite.hash, suite.mac, suite.cipher, "0"}, "password");
  listen();
}

Broker::Users Broker::read_users() const {
  auto text = read_secret_file(settings_.users_file, most_users_bytes);
  if (!text) throw Failure(settings_.stream.name + ": " + text.error().message);
  auto parsed = wire::broker::parse_users(as_text(Bytes(text->view())));
  if (!parsed) {
    throw Failure(fmt::format("{}: {}: {}", settings_.stream.name, settings_.users_file,
                              parsed.error().message));
  }
  const auto* const cipher = wire::broker::find_cipher(settings_.suite.cipher);
  Users users;
  for (wire::broker::User& user : *parsed) {
    if (!cipher->takes(user.password)) {
      throw Failure(
          fmt::format("{}: {}: {} takes passwords of {} to {} characters only, and {} "
                      "has another",
                      settings_.stream.name, settings_.users_file, cipher->name, cipher->least_key,
                      cipher->most_key, user.name));
    }
    users[user.name] = std::make_shared<BrokerUser>(
        user.name, user.password,
        user.bits_per_second == 0 ? 0 : std::max<std::uint64_t>(1, user.bits_per_second / 8));
    wipe({reinterpret_cast<std::uint8_t*>(user.password.data()), user.password.size()});
  }
  return users;
}

void Broker::reload() {
  try {
    Users users = read_users();
    const MutexLock lock(mutex_);
    users_ = std::move(users);
  } catch (const Failure& problem) {
    services().on_event(settings_.stream.name,
                        fmt::format("{}; the users stay as they were", problem.what()), true);
  }
}

std::shared_ptr<BrokerUser> Broker::find_user(std::string_view name) const {
  const MutexLock lock(mutex_);
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : found->second;
}

std::shared_ptr<serve::Inflow> Broker::inflow_of(const BrokerUser& user) {
  {
    const MutexLock lock(mutex_);
    if (const auto found = inflows_.find(user.name); found != inflows_.end()) return found->second;
  }
  // With no lock held: it opens an account.
  auto made = std::make_shared<serve::Inflow>(
      fmt::format("{} at {}", user.name, settings_.stream.at.address.text()), settings_.claim,
      services());
  const MutexLock lock(mutex_);
  return inflows_.emplace(user.name, std::move(made)).first->second;
}

observe::OutletReport Broker::report() const {
  observe::OutletReport report = serve::StreamOutlet::report();
  std::vector<std::shared_ptr<serve::Inflow>> inflows;
  {
    const MutexLock lock(mutex_);
    for (const auto& [name, inflow] : inflows_) inflows.push_back(inflow);
  }
  for (const auto& inflow : inflows) report.inflows.push_back(inflow->report());
  return report;
}

std::unique_ptr<serve::StreamWorker> Broker::make_worker(std::size_t slot, UniqueFd listener) {
  return std::make_unique<BrokerWorker>(
      *this, services(), visitors(), services().threads.context(slot), slot, std::move(listener));
}

}  // namespace qanat::outlets
