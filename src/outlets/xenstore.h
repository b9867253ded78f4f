// Seeds for Xen's guests, in the host's domain: texts in xenstore. docs/protocols/xenstore.md.
#pragma once

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>

#include "base/backoff.h"
#include "base/mutex.h"
#include "outlets/xenstore_tree.h"
#include "serve/schedule.h"
#include "serve/thread_draw.h"

namespace qanat::outlets {

struct XenstoreSeedsSettings {
  std::string name;          // as configured
  unsigned domain = 0;       // the only guest; 0: each
  std::string path;          // of the seed, below a domain's directory
  std::string socket;        // xenstored's; empty: where it usually is
  serve::Schedule schedule;  // of each guest
};

// Each guest has a seed of its own: as soon as it is there, which a copy or a guest that has come
// from another host is, too; then by the schedule, and when it asks by removing the last one, no
// more often than ten times as often. One whose seed xenstored refuses holds up no other.
class XenstoreSeeds final : public serve::Outlet {
 public:
  XenstoreSeeds(XenstoreSeedsSettings settings, const serve::OutletServices& services);
  ~XenstoreSeeds() override;

  void start() override;
  void drain() override { stop(); }
  bool idle() const override { return true; }
  void stop() override;
  void renew() override;
  void feed_now() override;
  observe::OutletReport report() const override;

 private:
  using Kind = wire::xenstore::Kind;
  struct Guest {
    TimePoint due{};         // of its next seed
    TimePoint not_before{};  // if it asks
    bool touched = false;    // something was done to its seed: it may have asked
  };
  using Guests = std::map<unsigned, Guest>;

  void run();
  Result<void> serve();
  Result<void> watch(const std::string& path, const std::string& token);
  void note(const wire::xenstore::Event& event);
  Result<void> take_stock();
  Result<void> add(unsigned domain);
  Result<Guests::iterator> remove(Guests::iterator guest);
  Result<std::optional<Duration>> turn();
  Result<void> look_at(unsigned domain, Guest& guest);
  Result<void> deliver(unsigned domain, Guest& guest);
  Duration next_gap();
  void begin_anew();
  void refused(std::string_view reason);
  void tell(const std::string& problem);
  void rest(Duration pause);

  const XenstoreSeedsSettings settings_;
  const serve::OutletServices& services_;
  const Duration least_gap_;
  serve::ThreadDraw draw_;
  Backoff backoff_;
  std::atomic<bool> all_due_{false};
  std::atomic<bool> renewed_{false};

  // Of the thread.
  peers::XenstoreLink link_;
  XenstoreTree tree_;
  Guests guests_;
  bool come_or_gone_ = true;  // a guest, since we took stock
  bool told_fed_ = false;
  std::mt19937_64 random_;

  std::atomic<std::uint64_t> guest_count_{0};
  std::atomic<bool> in_line_{false};
  mutable Mutex mutex_;
  std::string problem_ GUARDED_BY(mutex_);
  TimePoint last_ GUARDED_BY(mutex_){};
  std::map<std::string, std::uint64_t> refused_ GUARDED_BY(mutex_);  // by reason
  std::thread thread_;
};

}  // namespace qanat::outlets
