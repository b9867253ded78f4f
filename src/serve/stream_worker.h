// The part of an outlet that lives on one thread: its listening socket, its connections, their
// deadlines.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <list>

#include "base/files.h"
#include "base/secret.h"
#include "net/kept_loop.h"
#include "net/peer.h"
#include "serve/delivery.h"
#include "serve/limits.h"
#include "serve/outlet.h"
#include "share/visitors.h"

namespace qanat::serve {

class StreamConnection;

using Socket = boost::asio::generic::stream_protocol::socket;

// Relaxed: statistics only.
struct StreamCounters : DeliveryCounters {
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> handshake_failed{0};
  std::atomic<std::uint64_t> timed_out{0};
  std::atomic<std::uint64_t> too_many{0};
  std::atomic<std::uint64_t> peer_too_many{0};
  std::atomic<std::uint64_t> client_too_many{0};
  std::atomic<std::uint64_t> displaced{0};     // closed, idle, for others to come in
  std::atomic<std::uint64_t> malformed{0};     // 400, 404, 405, 408, 431
  std::atomic<std::uint64_t> unauthorised{0};  // 401, 403
  std::atomic<std::uint64_t> too_large{0};     // 413
  std::atomic<std::uint64_t> over_share{0};    // 429
  std::atomic<std::uint64_t> documents{0};     // 429, of status and metrics
  std::atomic<std::uint64_t> sessions{0};      // 429, of trickle sessions
  std::atomic<std::uint64_t> web_page{0};      // 403, from another site's page in a browser
  std::atomic<std::uint64_t> unavailable{0};   // 503
  std::atomic<std::uint64_t> not_wanted{0};    // what a peer would deliver
  std::atomic<std::uint64_t> waiting{0};       // in line for grade full, now
  observe::Latency latency;                    // of answers with random bytes
};

// A peer that has connected, and its place among the others.
struct Arrival {
  UniqueFd fd;  // does not block
  net::Peer peer;
  share::Visitors::Place place = {};
};

// What a protocol's worker derives from. Everything but `counters()` runs on its own thread.
class StreamWorker {
 public:
  // `slot`: the thread's number, and its DRBG's.
  StreamWorker(const Limits& limits, const OutletServices& services, share::Visitors& visitors,
               boost::asio::io_context& context, std::size_t slot, UniqueFd listener);
  StreamWorker(const StreamWorker&) = delete;
  StreamWorker& operator=(const StreamWorker&) = delete;
  virtual ~StreamWorker();

  // No connection, and no accepting of them, keeps the thread longer while others wait for it: half
  // of the 2 ms that are promised, as what is under way then is finished.
  static constexpr Duration turn = std::chrono::milliseconds(1);

  void start();
  void drain();
  // Closes every connection; they end as soon as their coroutines run.
  void close_all();
  void close_of(const share::Client& client);
  virtual void set_limits(const Limits& limits) { limits_ = limits; }
  // Whether none of its coroutines is left, so that it may be destroyed.
  bool at_rest() const {
    return !accepting_.running() && !sweeping_.running() && connections() == 0;
  }

  const StreamCounters& counters() const { return counters_; }
  // The number of its thread. Any thread.
  std::size_t slot() const { return slot_; }

 protected:
  friend class StreamConnection;

  // Who is at the other end, as its limits and its share go by.
  virtual net::Peer identify(const sockaddr_storage& address, int fd) const {
    return net::peer_of(address, fd);
  }
  // Serves one connection until it ends.
  virtual boost::asio::awaitable<void> serve(Arrival arrival) = 0;

  Limits limits_;
  const OutletServices& services_;
  share::Visitors& visitors_;
  boost::asio::io_context& context_;
  const std::size_t slot_;
  StreamCounters counters_;
  SecretPool drawn_{16384};  // of grade full, on their way

 private:
  using Connections = std::list<StreamConnection*>;
  using Entry = share::Visitors::Entry;

  boost::asio::awaitable<void> accept_loop();
  boost::asio::awaitable<void> sweep();
  void begin_sweeping();
  net::KeptLoop::Tell alarm() const;
  void admit(Arrival arrival);
  Entry let_in(Arrival& arrival);
  bool make_room(Entry why, const net::Peer& peer);
  void starved(int problem);
  bool may_wait(const net::Peer& peer) const;
  void admit_waiting();
  void begin(Arrival arrival);
  // Of a connection's life.
  Connections::iterator came(StreamConnection& connection);
  void has_name(Connections::iterator connection);
  void left(Connections::iterator connection, bool named);
  std::size_t connections() const { return nameless_.size() + named_.size(); }
  template <typename Work>
  void for_each_connection(const Work& work);
  void trim_memory();

  UniqueFd listener_;
  // Waits for the listening socket; the kernel hands out connections through listener_ itself.
  boost::asio::posix::stream_descriptor acceptor_;
  boost::asio::steady_timer sweep_timer_;
  boost::asio::steady_timer pause_timer_;  // of the accept loop
  net::KeptLoop accepting_;
  net::KeptLoop sweeping_;
  bool draining_ = false;
  Connections nameless_;  // the oldest first, or those that were looked at longest ago
  Connections named_;
  std::deque<Arrival> waiting_room_;  // see Limits::wait_for_room
  std::optional<TimePoint> starved_told_;
  std::size_t peak_ = 0;  // most connections since memory was given back
};

}  // namespace qanat::serve
