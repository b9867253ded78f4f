// Seeds of the host's, in a Xen guest: a text in xenstore. docs/protocols/xenstore.md.
#pragma once

#include <atomic>
#include <string>

#include "base/backoff.h"
#include "base/timing_noise.h"
#include "base/waker.h"
#include "entropy/relay.h"
#include "peers/xenstore.h"
#include "sources/runner/relay_state.h"
#include "sources/runner/running_source.h"
#include "sources/runner/source_thread.h"

namespace qanat::sources {

struct XenstoreSettings {
  std::string name;    // as configured
  std::string path;    // of the seed
  std::string socket;  // xenstored's, or the kernel's device; empty: where they usually are
  bool credit = true;
  bool insist = false;  // also of a seed that may have counted before
};

// Blocked in a watch until the host has written a seed. It is taken away where the host allows
// that, so that nobody reads it later. The first one, and one of another generation, tells that
// this machine may be a copy: it goes to SourceServices::on_fresh_seed. Any other is for whoever
// waits.
class Xenstore final : public RunningSource {
 public:
  Xenstore(XenstoreSettings settings, const SourceServices& services);
  ~Xenstore() override;

  void start() override;
  void wake() override { waker_.wake(); }
  void request_stop() override;
  bool join(Duration limit) override { return thread_.join(limit); }
  void renew() override;
  observe::SourceReport report() const override;

 private:
  using Kind = wire::xenstore::Kind;
  // What was found at the path.
  struct Found {
    std::size_t size = 0;      // of the seed, in seed_; 0: there is none
    std::string_view refused;  // why it cannot be read
    bool text = false;         // there is something that is no seed
    bool taken = false;        // away
    bool full = true;          // its grade
    std::string machine;       // whose it is: its generation, and the domain's number
    entropy::Epoch epoch = 0;  // from before it was read
  };

  void run();
  Result<void> converse();
  Result<void> look();
  Result<bool> find(Found& found);
  Result<void> find_seed(Found& found);
  Result<std::string> text_at(const std::string& path);
  void use(const Found& found);
  void credit(const Found& found, std::size_t worth);
  bool wants() const;
  Result<void> ask();

  const XenstoreSettings settings_;
  const SourceServices services_;
  const entropy::SourceId account_;
  const Waker waker_;
  std::atomic<bool> renew_{false};
  Backoff backoff_;
  Backoff question_gap_;
  SecretBytes seed_;
  bool changed_ = false;  // something was written at the path, or may have been
  bool first_ = true;     // no seed has come since the start
  bool taken_ = false;    // the last one: so we may write there
  std::string machine_;   // whose the last one was
  TimePoint next_question_{};
  entropy::ReplayCheck replay_;
  entropy::Relay relay_;
  TimingNoise noise_;
  RelayState state_;
  std::atomic<std::uint64_t> no_seed_{0};  // texts that were none
  peers::XenstoreLink link_;

  SourceThread thread_;
};

}  // namespace qanat::sources
