#include "sources/broker.h"

#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {

using namespace std::chrono_literals;

Result<void> Broker::open(const Waker& stop) {
  const auto user = peers::read_broker_user(account_);
  if (!user) return tl::unexpected(user.error());
  auto link = peers::BrokerLink::open(account_.address, *user, peers::BrokerLink::Role::consumer,
                                      stop, 10s);
  if (!link) return tl::unexpected(link.error());
  link_.emplace(std::move(*link));
  return {};
}

Result<std::size_t> Broker::read(MutableBytes out, const Waker& waker) {
  return link_->take(out, waker);
}

namespace {

SourcePlan read_broker(const spec::Spec& spec, entropy::Claim usual) {
  const auto account = wire::broker::require_account(spec);
  return {.name = spec.text,
          .claim = spec::claim_of(spec, usual),
          .note =
              "whoever listens on the way can try passwords at leisure, and decide with one "
              "what comes",
          .reads = {account.password_file},
          .make = [account] { return std::make_unique<Broker>(account); },
          .look =
              [account](spec::Obstacles& found) {
                result_into(found, "", peers::read_broker_user(account));
              }};
}

}  // namespace

extern const SourceType broker_type{
    .name = "broker",
    .target = "//USER:PASSFILE@HOST:PORT",
    .usual = {4, false},
    .summary = "an Entropy Broker, as a consumer: //USER:PASSFILE@HOST:PORT; credited 0",
    .read = read_broker,
};

}  // namespace qanat::sources
