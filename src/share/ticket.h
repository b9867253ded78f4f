// What a request for full-entropy bytes comes to: a place in line, and then bytes on their way.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "entropy/reserve.h"
#include "share/fair_queue.h"

namespace qanat::share {

class Dispenser;

// Bytes that have left the reserve and whose fate is open. What is not settled as delivered or
// spent when this ends is discarded: they are never given to somebody else.
class Withdrawal {
 public:
  Withdrawal() = default;
  Withdrawal(Withdrawal&& other) noexcept;
  Withdrawal& operator=(Withdrawal&& other) noexcept;
  ~Withdrawal();

  // Another's bytes, after ours, for one fate. Both are of one dispenser.
  void append(Withdrawal&& other);
  // The first `bytes` that are still open went where they should.
  void delivered(std::size_t bytes);
  // All that is still open went into a DRBG.
  void spent_on_reseed();

 private:
  friend class Dispenser;
  Withdrawal(Dispenser* dispenser, std::vector<entropy::Run> runs)
      : dispenser_(dispenser), runs_(std::move(runs)) {}
  Dispenser* dispenser_ = nullptr;
  std::vector<entropy::Run> runs_;
};

// A place in line. When it ends before its bytes were collected they are free again.
class Ticket {
 public:
  Ticket() = default;
  Ticket(Ticket&& other) noexcept;
  Ticket& operator=(Ticket&& other) noexcept;
  ~Ticket();

  // Whether its bytes are set aside and can be collected.
  bool ready() const;
  std::size_t bytes() const { return bytes_; }
  // Moves the bytes out; out.size() == bytes(). Precondition: ready().
  Withdrawal collect(MutableBytes out);

 private:
  friend class Dispenser;
  Ticket(Dispenser* dispenser, RequestId id, std::size_t bytes)
      : dispenser_(dispenser), id_(id), bytes_(bytes) {}
  Dispenser* dispenser_ = nullptr;
  RequestId id_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace qanat::share
