// What an outlet is to the rest of the program.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "entropy/conditioner.h"
#include "entropy/drbg_pool.h"
#include "entropy/provenance.h"
#include "net/tls.h"
#include "observe/reports.h"
#include "share/client_book.h"
#include "share/dispenser.h"
#include "share/token_bucket.h"

namespace qanat::net {
class IoThreads;
}
namespace qanat::wire {
struct ApiLimits;
}

namespace qanat::outlets {
class CookieKeeper;
}

namespace qanat::serve {

struct Limits;

// What outlets are given to work with. All outlive them.
struct OutletServices {
  share::Dispenser& dispenser;
  entropy::DrbgPool& drbg;
  share::ClientBook& clients;
  const entropy::Provenance& provenance;
  entropy::ConditioningKey& key;  // takes what peers add, credited nothing
  share::BucketTable& blocks;     // grade drbg, by block of addresses, all outlets together
  net::IoThreads& threads;
  const Clock& clock;
  std::function<net::ServerTls()> identity;  // the node's own key and certificate
  outlets::CookieKeeper& cookies;            // trickle's
  // The port of the trickle outlet; 0 when there is none.
  std::function<std::uint16_t()> trickle_port;
  // The documents, as far as they are the viewer's business.
  std::function<std::string(const observe::Viewer&)> status;
  std::function<std::string(const observe::Viewer&)> metrics;
  // Whether everything that drbg and full need is there, for /readyz.
  std::function<bool()> ready;
  observe::OnEvent on_event;
  // A scheduled outlet (kernel, file, stdout) has delivered.
  std::function<void()> on_fed;
  // For outlets that have a DRBG of their own.
  entropy::ReseedPolicy reseed = {};
  // Why there are no bytes, for whoever is refused some: what is true of the sources. Empty when
  // one delivers.
  std::function<std::string()> shortage = [] { return std::string(); };
};

// Between two questions to a DRBG that has no seed yet.
inline constexpr Duration seed_pause = std::chrono::milliseconds(200);

// How long `stop` waits for loops that were told to end, which they do as soon as they run; and
// between two looks at them.
inline constexpr Duration longest_end = std::chrono::seconds(2);
inline constexpr Duration end_look = std::chrono::milliseconds(1);

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
  virtual void set_limits(const wire::ApiLimits& api, const Limits& limits) {
    (void)api, (void)limits;
  }
  virtual observe::OutletReport report() const = 0;
};

}  // namespace qanat::serve
