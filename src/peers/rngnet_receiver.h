// The receiving end of rngnet: a UDP socket, what comes there, and the count of it.
#pragma once

#include <optional>

#include "base/files.h"
#include "base/mutex.h"
#include "base/secret.h"
#include "base/waker.h"
#include "wire/rngnet.h"

namespace qanat::peers {

// One thread receives; others may ask for the counts.
class RngnetReceiver {
 public:
  // Throws Failure when it cannot listen there. Datagrams of any other size than `bytes` are
  // counted and dropped.
  RngnetReceiver(const spec::Address& address, std::size_t bytes);

  // The next datagram, valid until the next call; nothing when the waker was woken or `end` has
  // passed.
  std::optional<MutableBytes> receive(const Waker& waker, TimePoint end);

  // Throws away what has come so far; its bytes.
  std::size_t discard();

  // Between two lines.
  static constexpr Duration stat_interval = std::chrono::seconds(60);

  wire::rngnet::Counts counts() const;
  // The line, and what follows is the next one's.
  std::string stat_line();

 private:
  bool take(std::size_t size);

  const UniqueFd fd_;
  const std::size_t bytes_;
  SecretBytes buffer_;
  Clock clock_;
  mutable Mutex mutex_;
  wire::rngnet::Counts total_ GUARDED_BY(mutex_);
  wire::rngnet::Counts told_ GUARDED_BY(mutex_);  // total_, at the last line
};

}  // namespace qanat::peers
