// A NetRNG server as a source. docs/protocols/netrng.md.
#pragma once

#include <optional>

#include "sources/source.h"
#include "spec/address.h"

namespace qanat::sources {

// Asks for one sample after the other while bytes are wanted. It sends no heartbeats: a server that
// hangs up on an idle client has a place free for another, and is connected again when it is
// needed. Nobody vouches for it.
class Netrng final : public Source {
 public:
  // The host may be _netrng._tcp.local: the first server that mDNS finds.
  explicit Netrng(spec::Address address) : address_(std::move(address)) {}

  Result<void> open(const Waker& stop) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  void expect(TimePoint by) override { deadline_ = by; }
  void close() override;
  Duration longest_absence() const override { return peer_absence; }

 private:
  Result<void> connect();
  Result<void> ask();
  bool hung_up() const;

  const spec::Address address_;
  UniqueFd fd_;
  SecretBytes inbox_;
  std::size_t received_ = 0;
  SecretBytes sample_;
  std::size_t sample_at_ = 0;  // what of it was given out
  std::size_t sample_size_ = 0;
  bool asked_ = false;
  TimePoint asked_at_{};
  std::optional<TimePoint> deadline_;
  Clock clock_;
  const Waker* stop_ = nullptr;  // of the last open
};

}  // namespace qanat::sources
