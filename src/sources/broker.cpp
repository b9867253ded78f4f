#include "sources/broker.h"

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

}  // namespace qanat::sources
