// DRBGs that are seeded from a dispenser.
#pragma once

#include <memory>
#include <vector>

#include "base/mutex.h"
#include "entropy/drbg_pool.h"
#include "share/dispenser.h"

namespace qanat::share {

// A first seed is 48 bytes, and nothing of grade drbg goes out without it: its place is at the head
// of the line. Later ones take their turn beside the clients: in a tree of thousands of hubs, each
// of which reseeds once a minute, they would eat up the source (bench/fleet).
// Thread-safe as DrbgPool is. Held by a shared_ptr: a seed may arrive while the owner lets go.
class SeededDrbg : public std::enable_shared_from_this<SeededDrbg> {
 public:
  // Asks for no seed before pool().start().
  static std::shared_ptr<SeededDrbg> make(Dispenser& dispenser, std::size_t slots,
                                          entropy::ReseedPolicy policy);

  entropy::DrbgPool& pool() { return pool_; }
  const entropy::DrbgPool& pool() const { return pool_; }
  // Gives up places in line; must come before the dispenser ends.
  void stop();

 private:
  SeededDrbg(Dispenser& dispenser, std::size_t slots, entropy::ReseedPolicy policy);
  void order(std::size_t slot);
  void fulfil(std::size_t slot);

  Dispenser& dispenser_;
  const Flow flow_;
  Mutex mutex_;
  std::vector<Ticket> tickets_ GUARDED_BY(mutex_);
  entropy::DrbgPool pool_;
};

}  // namespace qanat::share
