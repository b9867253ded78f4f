// A node: sources, reserve and outlets, made from a configuration.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "machine/generation.h"
#include "machine/reseed_commands.h"
#include "net/io_threads.h"
#include "node/alarms.h"
#include "node/client_store.h"
#include "node/config.h"
#include "node/control.h"
#include "node/pulse.h"
#include "node/renewal.h"
#include "node/running.h"
#include "node/state_dir.h"
#include "node/state_watch.h"
#include "observe/events.h"
#include "observe/live.h"
#include "observe/recorder.h"
#include "outlets/http/http.h"
#include "outlets/registry.h"
#include "outlets/trickle/cookie_keeper.h"
#include "share/seeded_drbg.h"
#include "sources/registry.h"

namespace qanat::node {

// What makes a node a `feed`.
struct FeedSettings {
  std::vector<std::string> upstreams;
  serve::Schedule schedule;
  std::size_t quorum = 1;
};

struct NodeSettings {
  std::string state_path;
  Config config;
  std::optional<FeedSettings> feed;  // instead of sources
  std::string generation_path;       // machine/generation.h; empty: none
  // Called on an I/O thread after each delivery of a scheduled outlet.
  std::function<void()> on_fed;
  // pulse.h; called on its thread.
  std::function<void(const std::string& text)> tell_service;
};

// The sources as they are made: one each; but where upstreams are taken together, those are one.
std::vector<SourceTexts> grouped_sources(const std::vector<std::string>& texts,
                                         bool upstreams_together);

// Functions are called by one thread, but for report and what is marked. Throws Failure from the
// constructor and `start` when it cannot work; then nothing is left running.
class Node {
 public:
  explicit Node(NodeSettings settings);
  ~Node();

  void start();
  // Ends deliveries in flight within `limit`, then everything. False when a source is stuck in its
  // device and its thread cannot be joined: the process should exit at once.
  bool stop(Duration limit);

  // Puts another configuration's sources and outlets in place of the present ones; those that are
  // in both go on undisturbed. Throws Failure, and changes nothing, when one cannot start.
  void reload(const Config& config);

  // Any thread. This machine may be a copy of another, or a person wants it: nothing is used any
  // more that the other may have too (renewal.h). True when the seed's bytes went to the kernel.
  bool renew(const std::string& why, const sources::FreshSeed& seed = {}) {
    return renewal_.run(why, seed);
  }
  // Any thread: an event that somebody should look at.
  void alarm(const std::string& subject, const std::string& text);
  void feed_now();
  void retest();
  // The state directory, as state_watch.h; at each control action, and once a minute by whoever
  // runs the node. Any thread.
  void check_state();
  // The control socket anew where its path is gone.
  void check_control_socket();
  observe::NodeReport report() const { return report_for({.all = true}); }
  // For a watchdog: whether each I/O thread has turned since the last call, and the pulse of late;
  // asks them to turn once more. A source's thread may well be stuck in its device.
  bool turning();
  // Whether every source has done what follows from its last delivery.
  bool at_rest() const;
  // Why no source can give anything, now or later; empty while there is hope. For `feed --once`.
  std::string hopeless() const;

  const StateDir& state() const { return state_; }
  std::string address() const { return reach().address; }

 private:
  using Lists = Running::Lists;

  Reach reach() const;  // of the first https outlet

  outlets::Services make_services();
  outlets::CookieKeeper::File cookie_file();
  void open_control_socket();
  Controlled controlled();
  NamedSource make_source(const SourceTexts& texts, std::size_t quorum);
  std::vector<NamedSource> make_sources();
  sources::SourceServices source_services();
  NamedOutlet make_outlet(const std::string& text);
  std::vector<NamedOutlet> start_outlets();
  // Of a reload.
  struct Change;
  Change change_to(const Config& config);
  void change_outlets(const Change& change);
  void change_sources(const Change& change, std::vector<NamedSource> old);
  void put_back(std::vector<NamedOutlet>& ended);
  void start_in_place_of(std::vector<NamedOutlet>& made, const std::vector<NamedOutlet>& leaving,
                         const outlets::OutletDefaults& old_defaults, Lists& running);
  // As the descriptors allow; says so where they allow less.
  serve::Limits limits_of(const Config& config) const;
  outlets::OutletDefaults defaults_of(const Config& config) const;
  // The operator's own socket: however few connections peers may have, he has some.
  serve::Limits control_limits() const;
  void wake_sources();
  void find_trickle_port();
  void warn_of(const Config& config);
  // Whether it can do what it is there for; a feed, once something was delivered, and counted.
  bool ready() const;
  std::string shortage() const;
  std::string why_not_fed() const;
  bool stop_sources(std::vector<NamedSource>& sources);
  // Which clients it has of those that the viewer may see.
  enum class Of { all_clients, busy_clients, no_clients };
  observe::NodeReport report_for(const observe::Viewer& viewer, Of clients = Of::all_clients) const;
  // One of an I/O thread's tasks takes some ms at the most (StreamWorker::turn), and it is asked to
  // note the time every five seconds at least.
  static constexpr Duration thread_patience = Pulse::idle_interval + std::chrono::seconds(5);
  std::vector<observe::ThreadReport> threads_report(
      const std::vector<observe::SourceReport>& sources) const;
  outlets::HttpServices http_services();
  void observe(const Config& config);

  NodeSettings settings_;
  StateDir state_;
  std::string node_id_;
  std::string cookie_directory_;
  std::optional<Identity> identity_;
  Clock clock_;
  TimePoint started_;
  TimePoint asked_to_turn_{};
  observe::Events events_;
  observe::Recorder recorder_;
  observe::LiveStatus live_;
  std::atomic<bool> loopback_sees_all_{true};
  machine::Generation generation_;
  machine::ReseedCommands commands_;
  share::Dispenser dispenser_;
  entropy::ConditioningKey key_;
  entropy::Provenance provenance_;
  sources::Origins origins_;
  share::ClientBook book_;
  ClientStore clients_;
  StateWatch watch_;
  share::BucketTable blocks_;
  std::shared_ptr<share::SeededDrbg> drbg_;
  std::atomic<std::uint16_t> trickle_port_{0};
  outlets::CookieKeeper cookies_;
  net::IoThreads threads_;
  outlets::Services services_;
  outlets::OutletDefaults defaults_;
  Running running_;
  Renewal renewal_;
  Alarms alarms_;
  Control control_;
  Pulse pulse_;
  std::unique_ptr<outlets::HttpOutlet> control_socket_;
  std::unique_ptr<Listeners<observe::Event>::Subscription> ringing_;
};

}  // namespace qanat::node
