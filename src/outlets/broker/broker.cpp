#include "outlets/broker/broker.h"

#include <fmt/core.h>

#include "base/quantity.h"
#include "net/io_threads.h"
#include "outlets/broker/connection.h"
#include "outlets/broker/producer.h"
#include "outlets/type.h"
#include "peers/broker_link.h"
#include "serve/inflow.h"
#include "serve/options.h"
#include "spec/options.h"

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
  Users users = read_users(settings_);
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

Broker::Users Broker::read_users(const BrokerSettings& settings) {
  auto text = read_secret_file(settings.users_file, most_users_bytes);
  if (!text) throw Failure(settings.stream.name + ": " + text.error().message);
  auto parsed = wire::broker::parse_users(as_text(Bytes(text->view())));
  if (!parsed) {
    throw Failure(fmt::format("{}: {}: {}", settings.stream.name, settings.users_file,
                              parsed.error().message));
  }
  const auto* const cipher = wire::broker::find_cipher(settings.suite.cipher);
  Users users;
  for (wire::broker::User& user : *parsed) {
    if (!cipher->takes(user.password)) {
      throw Failure(
          fmt::format("{}: {}: {} takes passwords of {} to {} characters only, and {} "
                      "has another",
                      settings.stream.name, settings.users_file, cipher->name, cipher->least_key,
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
    Users users = read_users(settings_);
    const MutexLock lock(mutex_);
    users_ = std::move(users);
  } catch (const Failure& problem) {
    services().on_event(settings_.stream.name,
                        fmt::format("{}; the users stay as they were", problem.what()),
                        EventKind::warning);
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

namespace {

// What producers deliver is somebody's word: as of an EGD, and credited only by the operator's.
constexpr double usual_inflow_h = 4;

// An algorithm's name, or the usual one.
template <typename Find>
std::string algorithm_of(const spec::Spec& spec, std::string_view option, std::string usual,
                         Find find, const std::string& known) {
  const auto text = spec.option(option);
  if (!text) return usual;
  if (find(*text) == nullptr) {
    throw Failure(
        fmt::format("{}: {}={} is not known; there are {}", spec.text, option, *text, known));
  }
  return *text;
}

// Beyond loopback it may listen by the operator's word alone: access=password says that the network
// is his own, access=open would be a lie.
serve::StreamSettings read_listener(const spec::Spec& spec, const OutletDefaults& defaults) {
  const auto address = spec::require_address(spec, wire::broker::usual_port);
  const std::string access = spec.option("access").value_or("");
  if (access.empty() && !spec::is_loopback(address.host)) {
    throw Failure(fmt::format(
        "{}: who listens on the way can find the broker's passwords, and {} is beyond loopback; "
        "write access=password if the network is your own",
        spec.text, address.text()));
  }
  return serve::read_stream(
      spec, defaults.limits,
      {.usual_port = wire::broker::usual_port, .guarded = access == "password"});
}

BrokerSettings read_settings(const spec::Spec& spec, const OutletDefaults& defaults) {
  if (!spec.target.starts_with("//")) {
    throw Failure(fmt::format("{}: write broker://ADDR:PORT?users=FILE", spec.text));
  }
  BrokerSettings settings;
  settings.stream = read_listener(spec, defaults);
  const auto users = spec.option("users");
  if (!users) {
    throw Failure(fmt::format("{}: needs users=FILE, with lines of NAME|PASSWORD|BITS-PER-SECOND",
                              spec.text));
  }
  settings.users_file = *users;
  using namespace wire::broker;
  settings.suite.cipher =
      algorithm_of(spec, "cipher", settings.suite.cipher, find_cipher, known_ciphers());
  settings.suite.mac = algorithm_of(spec, "mac", settings.suite.mac, find_hash, known_hashes());
  settings.suite.hash = algorithm_of(spec, "hash", settings.suite.hash, find_hash, known_hashes());
  settings.claim = spec::claim_of(spec, {usual_inflow_h, false});
  return settings;
}

// "//USER:PASSFILE@HOST": somebody else's broker, to which we deliver.
OutletPlan read_producer(const spec::Spec& spec, const OutletDefaults& defaults) {
  auto account = wire::broker::require_account(spec);
  const spec::Grade grade = spec::grade_of(spec, spec::Grade::full);
  return {.place = spec.text,
          .reads = {account.password_file},
          .note = fmt::format("delivers to the broker at {} as {}, grade {}; whoever listens on "
                              "the way and finds the password has all that was sent",
                              account.address.text(), account.user, to_string(grade)),
          .limits = defaults.limits,
          .make =
              [name = spec.text, account, grade,
               terms = serve::terms_of(spec)](const Services& services) {
                return std::make_unique<BrokerProducer>(name, account, grade, terms,
                                                        services.common);
              },
          .look =
              [account](spec::Obstacles& found) {
                result_into(found, "", peers::read_broker_user(account));
              }};
}

OutletPlan read_broker(const spec::Spec& spec, const OutletDefaults& defaults) {
  if (spec.target.find('@') != std::string::npos) return read_producer(spec, defaults);
  BrokerSettings settings = read_settings(spec, defaults);
  return {.place = settings.stream.at.place(),
          .path = settings.stream.at.unix_path,
          .note = fmt::format(
              "who is in {} may draw and deliver (credited {}), grade {}; whoever listens "
              "on the way can try passwords at leisure, and has with one all that was "
              "sent: keep it on a network of your own",
              settings.users_file,
              settings.claim.credit ? format_bits(settings.claim.h) + " a byte" : "0",
              to_string(settings.stream.grade)),
          .limits = settings.stream.limits,
          .make =
              [settings](const Services& services) {
                return std::make_unique<Broker>(settings, services.common);
              },
          .look =
              [settings](spec::Obstacles& found) {
                attempt_into(found, "users", [&] { (void)Broker::read_users(settings); });
                settings.stream.at.look(settings.stream.name, found);
              }};
}

}  // namespace

extern const OutletType broker_type{
    .name = "broker",
    .options = "users cipher mac hash h credit grade connections access",
    .summary =
        "Entropy Broker: //HOST:PORT for its consumers and producers, or "
        "//USER:PASSFILE@HOST:PORT, "
        "one to deliver to (docs/protocols/broker.md)",
    .read = read_broker,
};

}  // namespace qanat::outlets
