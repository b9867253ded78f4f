// An Entropy Broker that we draw from, as one of its consumers. docs/protocols/broker.md.
#pragma once

#include <optional>

#include "peers/broker_link.h"
#include "sources/source.h"

namespace qanat::sources {

// Whoever knows the password, or listened and guessed it, decides what comes.
class Broker final : public Source {
 public:
  explicit Broker(wire::broker::Account account) : account_(std::move(account)) {}

  Result<void> open(const Waker& stop) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  void expect(TimePoint by) override { link_->expect(by); }
  void close() override { link_.reset(); }
  int descriptor() const override { return link_ ? link_->descriptor() : -1; }
  Duration longest_absence() const override { return peer_absence; }

 private:
  const wire::broker::Account account_;
  std::optional<peers::BrokerLink> link_;
};

}  // namespace qanat::sources
