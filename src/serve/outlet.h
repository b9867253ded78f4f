// What an outlet is to the rest of the program.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "entropy/conditioner.h"
#include "entropy/drbg_pool.h"
#include "observe/reports.h"
#include "share/client_book.h"
#include "share/dispenser.h"
#include "share/token_bucket.h"
#include "spec/address.h"

namespace qanat::net {
class IoThreads;
}

namespace qanat::serve {

struct Limits;

// What outlets are given to work with. All outlive them. (What HTTP and trickle need beside it:
// outlets/services.h.)
struct OutletServices {
  share::Dispenser& dispenser;
  entropy::DrbgPool& drbg;
  share::ClientBook& clients;
  entropy::ConditioningKey& key;  // takes what peers add, credited nothing
  share::BucketTable& blocks;     // grade drbg, by block of addresses, all outlets together
  net::IoThreads& threads;
  const Clock& clock;
  observe::OnEvent on_event;
  // A scheduled outlet (kernel, file, rngnet, stdout) has delivered.
  std::function<void()> on_fed;
  // For outlets that have a DRBG of their own.
  entropy::ReseedPolicy reseed = {};
};

// Between two questions to a DRBG that has no seed yet.
inline constexpr Duration seed_pause = std::chrono::milliseconds(200);

// Waits, as `stop` does, until what was told to end rests: that is, as soon as it runs. False when
// it does not within two seconds: it is left behind, and not destroyed. `resting` is asked once at
// least, and then every millisecond. Not on an I/O thread.
template <typename Resting>
bool await_rest(const Clock& clock, const Resting& resting) {
  constexpr Duration longest_end = std::chrono::seconds(2);
  constexpr Duration look_interval = std::chrono::milliseconds(1);
  const TimePoint end = clock.now() + longest_end;
  while (!resting()) {
    if (clock.now() >= end) return false;
    std::this_thread::sleep_for(look_interval);
  }
  return true;
}

// Its functions are called by one thread, which is no I/O thread; `report` by any.
class Outlet {
 public:
  virtual ~Outlet() = default;

  // Throws Failure when it cannot: address taken, no permission.
  virtual void start() = 0;
  // Takes no new work; finishes what is under way. Does not wait.
  virtual void drain() = 0;
  // Whether nothing is under way.
  virtual bool idle() const = 0;
  // Ends everything at once, and waits until it has ended; after some seconds no longer: then it is
  // not idle, and must not be destroyed.
  virtual void stop() = 0;
  // This machine may be a copy of another. One that feeds a kernel stirs it at once, with local
  // state and `seed`, whose first `credited` bytes count in full; true when they arrived. From any
  // thread, and waits for no other.
  virtual bool stir(Bytes seed, std::size_t credited) {
    (void)seed, (void)credited;
    return false;
  }
  // The same, after the node itself was seeded anew: what this outlet generates from must be, too.
  // From any thread.
  virtual void renew() {}
  // Deliver now, whatever the schedule (SIGUSR1). From any thread; does not wait.
  virtual void feed_now() {}
  // The configuration was read again, with this outlet in it: what it has in files of its own may
  // have changed.
  virtual void reload() {}
  // The same of the configuration's limits: they hold from now on, also for who is connected.
  virtual void set_limits(const Limits& /*limits*/) {}
  virtual observe::OutletReport report() const = 0;

  // What only some have, for the node to ask for. Any thread.
  // A client was revoked: its connections end.
  virtual void close_of(const std::shared_ptr<share::Client>& /*client*/) {}
  // Where clients come with a join string; the host may be a wildcard.
  virtual std::optional<spec::Address> invites_to() const { return std::nullopt; }
  // Trickle's UDP port; 0: it is none.
  virtual std::uint16_t trickle_port() const { return 0; }
  // Stands in the place of one that could not start (absent.h).
  virtual bool absent() const { return false; }
};

}  // namespace qanat::serve
