// A node: sources, reserve and outlets, made from a configuration.
#pragma once

#include <atomic>
#include <boost/json/object.hpp>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "machine/generation.h"
#include "machine/reseed_commands.h"
#include "net/io_threads.h"
#include "node/client_store.h"
#include "node/config.h"
#include "node/state_dir.h"
#include "observe/events.h"
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
};

// Functions are called by one thread, but for snapshot and what is marked. Throws Failure from the
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
  // more that the other may have too. First the kernel is stirred, with local state and, where the
  // host sent one, a seed; then the generation goes up, the reserve is discarded, OpenSSL and the
  // DRBGs are reseeded, sources are tested again and begin new connections, every scheduled outlet
  // delivers, and the operator's commands run. True when the seed's bytes went to the kernel.
  bool renew(const std::string& why, const sources::FreshSeed& seed = {});
  // Any thread: an event that somebody should look at.
  void alarm(const std::string& subject, const std::string& text);
  void feed_now();
  void retest();
  // Whether the state directory is still the node's own, and whole; writes back what is missing
  // where that is right (docs/configuration.md, State directory). At each control action, and once
  // a minute by whoever runs the node. Any thread.
  void check_state();
  // The control socket anew where its path is gone.
  void check_control_socket();
  observe::Snapshot snapshot() const { return snapshot_for({.all = true}); }
  // Whether every source has done what follows from its last delivery.
  bool at_rest() const;
  // Why no source can give anything, now or later; empty while there is hope. For `feed --once`.
  std::string hopeless() const;

  const StateDir& state() const { return state_; }
  std::string address() const;  // of the first https outlet; empty when there is none

 private:
  struct NamedOutlet {
    std::string text;
    std::shared_ptr<serve::Outlet> outlet;
  };
  struct NamedSource {
    std::string text;
    std::shared_ptr<sources::RunningSource> source;
  };
  // What runs, at one moment. Never changed: others take its place.
  struct Lists {
    std::vector<NamedSource> sources;
    std::vector<NamedOutlet> outlets;
  };
  // The same, and a word to whoever waits when nobody uses them any more.
  struct Published {
    explicit Published(Lists what) : lists(std::move(what)) {}
    ~Published() { unused.set_value(); }
    Published(const Published&) = delete;
    Published& operator=(const Published&) = delete;
    const Lists lists;
    std::promise<void> unused;
  };

  outlets::Services make_services();
  outlets::CookieKeeper::File cookie_file();
  void open_control_socket();
  outlets::ControlAnswer control(std::string_view method, std::string_view path,
                                 std::string_view body);
  outlets::ControlAnswer invite(const boost::json::object& request);
  outlets::ControlAnswer withdraw(const boost::json::object& request);
  outlets::ControlAnswer revoke(const boost::json::object& request);
  outlets::ControlAnswer allow(const boost::json::object& request);
  std::string find_state_problem(bool any_clients, bool& written_back) REQUIRES(state_mutex_);
  bool has_invited() const;
  std::string state_problem() const;
  NamedSource make_source(const std::string& text);
  sources::SourceServices source_services();
  NamedOutlet make_outlet(const std::string& text);
  std::vector<NamedOutlet> start_outlets();
  void put_back(std::vector<NamedOutlet>& ended);
  void start_in_place_of(std::vector<NamedOutlet>& made, const std::vector<NamedOutlet>& leaving,
                         const outlets::OutletDefaults& old_defaults, Lists& running);
  // As the descriptors allow; says so where they allow less.
  serve::Limits limits_of(const Config& config) const;
  outlets::OutletDefaults defaults_of(const Config& config) const;
  // Any thread. Used without a lock; whoever has it waits for nobody, and lets it go soon.
  std::shared_ptr<const Lists> lists() const EXCLUDES(lists_mutex_);
  // Puts others in their place, and returns the old once no thread uses them any more: they are
  // the caller's alone, to stop and to end.
  Lists replace(Lists next) EXCLUDES(lists_mutex_);
  void wake_sources();
  void find_trickle_port();
  void warn_of(const Config& config);
  std::string shortage() const;
  bool stop_sources(std::vector<NamedSource>& sources, Duration limit);
  observe::Snapshot snapshot_for(const observe::Viewer& viewer) const;

  NodeSettings settings_;
  StateDir state_;
  // One look at the state directory at a time; under it files are read and written, and nobody is
  // called back.
  mutable Mutex state_mutex_;
  std::optional<StateLock> lock_ GUARDED_BY(state_mutex_);
  std::string state_problem_ GUARDED_BY(state_mutex_);
  std::atomic<bool> state_writable_{false};
  std::string node_id_;
  std::string cookie_directory_;
  std::optional<Identity> identity_;
  Clock clock_;
  TimePoint started_;
  observe::Events events_;
  machine::Generation generation_;
  machine::ReseedCommands commands_;
  share::Dispenser dispenser_;
  entropy::ConditioningKey key_;
  entropy::Provenance provenance_;
  sources::Origins origins_;
  share::ClientBook book_;
  ClientStore clients_;
  share::BucketTable blocks_;
  std::shared_ptr<share::SeededDrbg> drbg_;
  std::atomic<std::uint16_t> trickle_port_{0};
  outlets::CookieKeeper cookies_;
  net::IoThreads threads_;
  outlets::Services services_;
  outlets::OutletDefaults defaults_;

  mutable Mutex lists_mutex_;
  std::shared_ptr<Published> lists_ GUARDED_BY(lists_mutex_);
  std::future<void> unused_;  // of lists_
  std::unique_ptr<outlets::HttpOutlet> control_;
};

// Start material of a conditioning key: whatever is at hand, credited nothing.
SecretBytes gather_start_material();

}  // namespace qanat::node
