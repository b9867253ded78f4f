// The state directory of a running node: whether it is still the node's own, and whole.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "node/client_store.h"
#include "node/state_dir.h"
#include "observe/events.h"
#include "share/client_book.h"

namespace qanat::node {

// Any thread. Under its lock files are read and written, and nobody is called back.
class StateWatch {
 public:
  // All outlive it.
  StateWatch(const StateDir& state, share::ClientBook& book, ClientStore& clients,
             observe::Events& events)
      : state_(state), book_(book), clients_(clients), events_(events) {}

  // Takes the directory; where it cannot be had (full, read-only) the node goes on without, and
  // says so. Throws Failure when it is another's or not safe.
  void begin();

  // What a node of this kind keeps there.
  struct Kept {
    std::string node_id;
    const Identity* identity = nullptr;  // of a hub
    std::string address;                 // of its https outlet; empty: none
    bool cookies = false;                // of a feed
  };
  // Looks, takes up what is right again and writes back what is missing where that is right
  // (docs/configuration.md, State directory). True when something was written back.
  bool check(const Kept& kept);

  // Why nothing can be kept now; empty while all is well.
  std::string problem() const;
  bool writable() const { return writable_; }

 private:
  std::string find_problem(const Kept& kept, bool any_clients, bool& written_back) REQUIRES(mutex_);
  bool has_invited() const;

  const StateDir& state_;
  share::ClientBook& book_;
  ClientStore& clients_;
  observe::Events& events_;
  mutable Mutex mutex_;
  std::optional<StateLock> lock_ GUARDED_BY(mutex_);
  std::string problem_ GUARDED_BY(mutex_);
  std::atomic<bool> writable_{false};
};

}  // namespace qanat::node
