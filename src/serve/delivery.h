// The one way in which bytes leave for a peer: they are drawn, sent, and settled.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/secret.h"
#include "share/client_book.h"
#include "share/dispenser.h"
#include "spec/grade.h"

namespace qanat::serve {

// Relaxed: statistics only.
struct DeliveryCounters {
  std::atomic<std::uint64_t> deliveries{0};  // requests answered with bytes, or times fed
  std::atomic<std::uint64_t> full_bytes{0};
  std::atomic<std::uint64_t> drbg_bytes{0};
  std::atomic<std::uint64_t> undelivered{0};  // bytes of grade full whose delivery failed
};

// Counts bytes that have arrived, for the outlet and for its client (null: one without a name).
void count(DeliveryCounters& counters, share::Client* client, spec::Grade grade, std::size_t bytes,
           TimePoint now);

// Bytes that were drawn for somebody and are on their way. What has not arrived when this ends is
// nobody's any more: of grade full it is discarded in the ledger, and counted as undelivered. Used
// by one thread at a time.
class Delivery {
 public:
  Delivery() = default;
  // Of grade full: `bytes` of them, whose fate `withdrawal` is. `counters` outlive it.
  Delivery(share::Withdrawal withdrawal, std::size_t bytes, DeliveryCounters& counters,
           std::shared_ptr<share::Client> client = nullptr)
      : withdrawal_(std::move(withdrawal)),
        grade_(spec::Grade::full),
        bytes_(bytes),
        counters_(&counters),
        client_(std::move(client)) {}
  // Of grade drbg, which need no ledger.
  static Delivery of_drbg(std::size_t bytes, DeliveryCounters& counters,
                          std::shared_ptr<share::Client> client = nullptr);
  Delivery(Delivery&& other) noexcept;
  Delivery& operator=(Delivery&& other) noexcept;
  ~Delivery();

  spec::Grade grade() const { return grade_; }
  std::size_t bytes() const { return bytes_; }
  // Another's bytes after ours, for one fate. Both are of grade full, or this is empty.
  void append(Delivery&& other);
  // All of them have; or the first so many, as the peer wanted no more, and the rest is lost.
  void arrived(TimePoint now) { arrived(bytes_, now); }
  void arrived(std::size_t bytes, TimePoint now);

 private:
  share::Withdrawal withdrawal_;
  spec::Grade grade_ = spec::Grade::drbg;
  std::size_t bytes_ = 0;  // that are still open
  DeliveryCounters* counters_ = nullptr;
  std::shared_ptr<share::Client> client_;
};

// The bytes themselves: pooled where they are few, wiped when this ends.
class DrawnBytes {
 public:
  DrawnBytes(SecretPool& pool, std::size_t size);
  DrawnBytes(DrawnBytes&& other) noexcept
      : pooled_(std::move(other.pooled_)),
        large_(std::move(other.large_)),
        size_(std::exchange(other.size_, 0)) {}
  DrawnBytes& operator=(DrawnBytes&& other) noexcept;
  ~DrawnBytes() { wipe(view()); }

  MutableBytes view();

 private:
  SecretPool::Lease pooled_;
  SecretBytes large_;
  std::size_t size_;
};

// Of grade full, for one request.
struct Drawn {
  DrawnBytes bytes;
  Delivery delivery;
};

}  // namespace qanat::serve
