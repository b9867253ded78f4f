// The one door between sources and outlets: full-entropy bytes come in by `credit`, wait in the
// reserve, and leave by tickets, in fair order, each byte once, with every bit in the ledger.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "entropy/reserve.h"
#include "entropy/sink.h"
#include "share/fair_queue.h"
#include "share/flow.h"
#include "share/guarantees.h"
#include "share/steady_time.h"
#include "share/supply_meter.h"
#include "share/terms.h"
#include "share/ticket.h"

namespace qanat::share {

// A guarantee that is suspended, or kept again.
struct GuaranteeChange {
  std::shared_ptr<const std::string> name;  // of the flow
  double rate = 0;                          // promised, bytes per second
  bool kept = false;
  double proved = 0;  // the supply, bytes per second
};

struct DispenserReport {
  entropy::Account total;
  std::vector<std::pair<std::string, entropy::Account>> sources;
  std::size_t fill = 0;       // bytes in the reserve
  std::size_t target = 0;     // bytes it is filled up to
  std::size_t in_flight = 0;  // bytes taken out and not settled
  std::size_t waiting_requests = 0;
  std::size_t waiting_bytes = 0;
  double supply = 0;                // proved, bytes per second (SupplyMeter)
  double promised = 0;              // guarantees, bytes per second
  double suspended = 0;             // of those, not kept now
  std::size_t suspended_flows = 0;  // how many those are
};

// Thread-safe. It outlives its flows, tickets and withdrawals. What has no memory throws, and
// changes nothing; what ends or is settled needs none. It reads no clock: callers bring the
// time of a steady clock. One that jumps, back or forth, makes no promise void and no share larger.
class Dispenser final : public entropy::Sink {
 public:
  // Sources fill the reserve to `target_bytes`. No request may exceed `max_request_bytes`; room for
  // one is kept beside the target. With target 0 bytes come in only when somebody waits for them,
  // and none grow stale.
  Dispenser(std::size_t target_bytes, std::size_t max_request_bytes);

  entropy::SourceId open_source(std::string name);

  std::size_t wanted() const override;
  entropy::Epoch epoch() const override { return epoch_.load(); }
  bool credit(entropy::SourceId source, Bytes full_entropy, entropy::Epoch epoch,
              TimePoint now) override;
  void lost(entropy::SourceId source, TimePoint now) override;

  // Whether sources should work. It begins when the reserve is below seven eighths of its target,
  // or somebody waits, and lasts until it is full: no source wakes for every request of 64 bytes.
  bool demand() const;
  // Called, with no lock held and from any thread, when demand begins. Set before any thread
  // starts.
  void on_demand(std::function<void()> callback) { on_demand_ = std::move(callback); }

  std::size_t max_request_bytes() const { return max_request_; }
  // Called with each guarantee that is suspended or kept again, as on_demand is.
  void on_guarantee(std::function<void(const GuaranteeChange&)> callback) {
    on_guarantee_ = std::move(callback);
  }

  // `name` is for events. A guarantee among the terms is kept as soon as the supply is proved to
  // suffice; ask `check_promise` before one is given away.
  Flow open_flow(std::string name, const Terms& terms = {});
  // An Error when `rate` (bytes per second) is more than what could be promised now; it says what
  // could. `unproved`: the sources have not worked long enough to tell.
  struct NoPromise {
    std::string message;
    bool unproved = false;
  };
  tl::expected<void, NoPromise> check_promise(std::uint64_t rate, TimePoint now);

  // 0 < bytes <= max_request_bytes(), else Failure: a larger one could never be complete, and would
  // hold up all others. `on_ready` is called once, from any thread, with no lock
  // held, when the bytes are set aside; not when the ticket is ready at once. It may run while or
  // after the ticket ends: let it own what it touches.
  Ticket request(FlowId flow, std::size_t bytes, TimePoint now, std::function<void()> on_ready);
  // The same for a DRBG's seed, at the last time that anybody brought. `first`: before all others,
  // as nothing of grade drbg can be had without it; later ones take their turn.
  Ticket request_seed(FlowId flow, std::size_t bytes, bool first, std::function<void()> on_ready);

  // When a request made now would be complete, by the usual supply and those who wait at present.
  struct Estimate {
    Duration wait;   // in line with the others
    Duration alone;  // if nobody else were there
  };
  // nullopt when nothing is known of the supply yet. Duration::max(): no source is left.
  std::optional<Estimate> estimate(FlowId flow, std::size_t bytes, TimePoint now);
  // What is granted at once while several wait: what the sources give in a millisecond or so, in
  // bytes. Who delivers by pieces does well to ask for as much.
  std::size_t slice() const;

  // Bytes in the reserve that nobody has a right to yet.
  std::size_t available() const;
  DispenserReport report() const;
  // Wipes the reserve; what it held is discarded.
  void drain();
  // Another copy of this machine may have the same bytes: what nobody has a right to yet is
  // discarded, and what was read before now is credited no more. The new epoch.
  entropy::Epoch renew();
  // `bytes` of `source` have gone straight to where they were needed, past the reserve.
  void passed_through(entropy::SourceId source, std::size_t bytes, TimePoint now);

 private:
  friend class Flow;
  friend class Ticket;
  friend class Withdrawal;
  // Who is told: collected under the lock, called without it. As a ticket's end may grant bytes to
  // others, collecting needs no memory.
  struct Callbacks {
    std::list<std::function<void()>> ready;
    bool demand = false;
    std::vector<GuaranteeChange> guarantees;
  };

  // A request that is in the queue, or complete and not collected.
  struct Place {
    std::list<std::function<void()>> on_ready;  // one, while it waits
    std::size_t bytes = 0;
    bool ready = false;
  };
  struct FlowInfo {
    std::shared_ptr<const std::string> name;
    Terms terms;
  };

  std::size_t wanted_locked() const REQUIRES(mutex_);
  std::size_t free_locked() const REQUIRES(mutex_) { return reserve_.fill() - set_aside_; }
  void serve_locked(Callbacks& callbacks) REQUIRES(mutex_);
  void update_demand_locked(Callbacks& callbacks) REQUIRES(mutex_);
  void review_locked(Callbacks& callbacks) REQUIRES(mutex_);
  // All of the above that a change of the reserve or the line calls for.
  void settle_locked(Callbacks& callbacks) REQUIRES(mutex_);
  // Makes a change under the lock, settles it, and calls back without the lock.
  template <typename Change>
  void change(const Change& make) EXCLUDES(mutex_);
  void call_back(const Callbacks& callbacks) const noexcept EXCLUDES(mutex_);
  void agree_locked(FlowId flow, const Terms& terms) REQUIRES(mutex_);
  Ticket enqueue(FlowId flow, std::size_t bytes, std::optional<TimePoint> now, bool urgent,
                 std::function<void()> on_ready);
  bool is_ready(RequestId id) const;
  void cancel(RequestId id);
  Withdrawal collect(RequestId id, MutableBytes out);
  void settle(std::span<const entropy::Run> runs, std::uint64_t entropy::Account::*to);
  // The oldest of the reserve.
  void discard_locked(std::size_t bytes) REQUIRES(mutex_);
  void close_flow(FlowId flow);
  void set_terms(FlowId flow, const Terms& terms);
  Flow::Report report_of(FlowId flow) const;

  const std::size_t target_;
  const std::size_t max_request_;
  // Set before any thread starts.
  std::function<void()> on_demand_;
  std::function<void(const GuaranteeChange&)> on_guarantee_;
  std::atomic<entropy::Epoch> epoch_{0};  // written with the mutex held
  mutable Mutex mutex_;
  bool demand_ GUARDED_BY(mutex_);
  entropy::Ledger ledger_ GUARDED_BY(mutex_);
  entropy::Reserve reserve_ GUARDED_BY(mutex_);
  FairQueue queue_ GUARDED_BY(mutex_);
  SupplyMeter meter_ GUARDED_BY(mutex_);
  Guarantees guarantees_ GUARDED_BY(mutex_);
  std::unordered_map<RequestId, Place> places_ GUARDED_BY(mutex_);
  std::vector<FlowInfo> flows_ GUARDED_BY(mutex_);  // by FlowId
  std::size_t set_aside_ GUARDED_BY(mutex_) = 0;    // granted and not collected
  std::size_t in_flight_ GUARDED_BY(mutex_) = 0;
  std::size_t slice_ GUARDED_BY(mutex_);
  SteadyTime time_ GUARDED_BY(mutex_);
  TimePoint reviewed_ GUARDED_BY(mutex_){};
  std::uint64_t reviewed_windows_ GUARDED_BY(mutex_) = 0;
};

}  // namespace qanat::share
