// The one door between sources and outlets: full-entropy bytes come in by `credit`, wait in the
// reserve, and leave by tickets, in fair order, each byte once, with every bit in the ledger.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "entropy/reserve.h"
#include "entropy/sink.h"
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

struct DispenserReport {
  entropy::Account total;
  std::vector<std::pair<std::string, entropy::Account>> sources;
  std::size_t fill = 0;       // bytes in the reserve
  std::size_t target = 0;     // bytes it is filled up to
  std::size_t in_flight = 0;  // bytes taken out and not settled
  std::size_t waiting_requests = 0;
  std::size_t waiting_bytes = 0;
};

// Thread-safe. It outlives its tickets and withdrawals.
class Dispenser final : public entropy::Sink {
 public:
  // Sources fill the reserve to `target_bytes`. No request may exceed `max_request_bytes`; room for
  // one is kept beside the target. With target 0 bytes come in only when somebody waits for them,
  // and none grow stale.
  Dispenser(std::size_t target_bytes, std::size_t max_request_bytes);

  entropy::SourceId open_source(std::string name);

  std::size_t wanted() const override;
  void credit(entropy::SourceId source, Bytes full_entropy) override;

  // Whether sources should work. It begins when the reserve is below seven eighths of its target,
  // or somebody waits, and lasts until it is full: no source wakes for every request of 64 bytes.
  bool demand() const;
  // Called, with no lock held and from any thread, when demand begins. Set before any thread
  // starts.
  void on_demand(std::function<void()> callback) { on_demand_ = std::move(callback); }

  std::size_t max_request_bytes() const { return max_request_; }
  // A new flow for an outlet or a client.
  FlowId open_flow();
  // 0 < bytes <= max_request_bytes(). `on_ready` is called once, from any thread, with no lock
  // held, when the bytes are set aside; not when the ticket is ready at once. It may run while or
  // after the ticket ends: let it own what it touches.
  Ticket request(FlowId flow, double weight, std::size_t bytes, std::function<void()> on_ready,
                 bool urgent = false);

  DispenserReport report() const;
  // Wipes the reserve; what it held is discarded.
  void drain();

 private:
  friend class Ticket;
  friend class Withdrawal;
  // Collected under the lock, called without it.
  using Callbacks = std::vector<std::function<void()>>;

  std::size_t wanted_locked() const;
  std::size_t free_locked() const { return reserve_.fill() - set_aside_; }
  void serve_locked(Callbacks& ready);
  void update_demand_locked(Callbacks& callbacks);
  bool is_ready(RequestId id) const;
  void cancel(RequestId id, std::size_t bytes);
  Withdrawal collect(RequestId id, MutableBytes out);
  void settle(std::span<const entropy::Run> runs, std::uint64_t entropy::Account::*to);

  const std::size_t target_;
  const std::size_t max_request_;
  mutable std::mutex mutex_;
  std::function<void()> on_demand_;
  bool demand_;
  entropy::Ledger ledger_;
  entropy::Reserve reserve_;
  FairQueue queue_;
  std::unordered_map<RequestId, std::function<void()>> callbacks_;  // of waiting requests
  std::unordered_map<RequestId, std::size_t> ready_;                // set aside, not collected
  std::size_t set_aside_ = 0;
  std::size_t in_flight_ = 0;
  FlowId last_flow_ = 0;
};

}  // namespace qanat::share
