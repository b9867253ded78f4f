// A source at work: its thread, its tests, its account.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "entropy/intake.h"
#include "entropy/provenance.h"
#include "observe/reports.h"
#include "share/dispenser.h"
#include "sources/runner/origins.h"

namespace qanat::sources {

// A seed that came unasked, as this machine may be a copy of another.
struct FreshSeed {
  entropy::SourceId account = 0;
  Bytes bytes;
  std::size_t credited = 0;  // the first so many count in full, the others nothing
};
// Renews all that a copy may share (node::Node::renew). True when the seed's bytes went into this
// machine's kernel and are accounted for; otherwise they are the source's to credit. From any
// thread; returns once the kernel has been reseeded.
using OnFreshSeed = std::function<bool(const std::string& why, const FreshSeed& seed)>;

// What sources are given to work with. All outlive them.
struct SourceServices {
  share::Dispenser& dispenser;
  entropy::ConditioningKey& key;
  entropy::Provenance& provenance;
  const Clock& clock;
  observe::OnEvent on_event;
  std::string cookie_directory;  // of trickle clients; empty: nothing is kept over a restart
  OnFreshSeed on_fresh_seed = [](const std::string&, const FreshSeed&) { return false; };
  // What comes is for this machine alone, never to be passed on: where a peer has no full-entropy
  // bytes, a seed of grade drbg, credited 256 bits, is better than nothing for a kernel.
  bool seeds = false;
  // What the others read; none: nobody else does.
  Origins* origins = nullptr;
};

// Its functions may be called from any thread.
class RunningSource {
 public:
  virtual ~RunningSource() = default;

  virtual void start() = 0;
  // Somebody wants bytes: wakes the source if it sleeps.
  virtual void wake() = 0;
  // Asks the thread to end; `join` waits for it. False when it is stuck in a device's read and
  // `limit` has passed: the process can then only exit.
  virtual void request_stop() = 0;
  virtual bool join(Duration limit) = 0;
  // This machine may be a copy of another: whatever the other has too (connections, cookies, bytes
  // in buffers, the jitter of back-offs) is made anew, and its tests begin again.
  virtual void renew() = 0;
  // SP 800-90B 4.3 item 5, on-demand test: its samples pass the start-up tests again, and what is
  // absent is looked for now. Nothing for one that has no samples.
  virtual void retest() {}
  // Whether it has done what follows from its last delivery; a program that is about to end waits
  // for it.
  virtual bool at_rest() const { return true; }
  virtual observe::SourceReport report() const = 0;
};

}  // namespace qanat::sources
