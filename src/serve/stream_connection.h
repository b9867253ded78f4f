// One connection of a stream protocol: its socket, its deadlines, its share.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "net/peer.h"
#include "net/transport.h"
#include "serve/delivery.h"
#include "serve/stream_worker.h"

namespace qanat::serve {

// What a protocol's connection derives from. Lives on its worker's thread, as long as its
// coroutine.
//
// A rule for every coroutine here and there: no co_await inside a condition and no temporary with a
// destructor in its operand. GCC 12 destroys such temporaries twice, and loses `this` in `if
// (co_await member())`.
class StreamConnection {
 public:
  // What it means that a peer has ended its half: it has gone; or, where it has nothing to say (nc
  // </dev/null), only that.
  enum class PeerEnd { is_whole, may_be_half };
  StreamConnection(StreamWorker& worker, Arrival arrival, PeerEnd end = PeerEnd::is_whole);
  StreamConnection(const StreamConnection&) = delete;
  StreamConnection& operator=(const StreamConnection&) = delete;
  virtual ~StreamConnection();

  // Called by the worker.
  void expire(TimePoint now);
  void drain();
  void close();
  const share::Client* client() const { return client_.get(); }
  const net::Peer& peer() const { return peer_; }
  bool busy() const { return busy_; }
  bool closing() const { return life_ == Life::closing; }
  // Whether it ends for a new one of its block, when that has as many as it may. Asked of one
  // without a name.
  virtual bool gives_way() const { return false; }
  void give_way();
  // Ends what it pauses in; nothing where it does not.
  void wake() {
    if (waiting_ != nullptr) waiting_->cancel();
  }

 protected:
  template <typename T>
  using Task = boost::asio::awaitable<T>;

  // Between a request's first byte and its answer's last: a drain lets it end.
  void begin_work() {
    if (!std::exchange(busy_, true)) asked_at_ = turn_began_;
  }
  void end_work() { busy_ = false; }
  // Told to end: at once, or after what is under way.
  bool ending() const { return life_ != Life::open; }
  // The deadline has passed: nothing is waited for any more, unless it is forgotten, for a last
  // word.
  bool expired() const { return expired_; }
  void forget_deadline() { expired_ = false; }
  // Its client had as many connections as it may before this one.
  bool over_quota() const { return over_quota_; }

  // Whoever has had the thread for a turn lets the others of it have theirs. `write` and `draw` ask
  // it; so does a loop that may go on without either.
  bool turn_is_over() const;
  Task<void> take_turns();
  // The deadline of what is under way; see StreamWorker::sweep.
  void arm(Duration limit);
  // The same from the turn's beginning, 2 ms ago at most, without a look at the clock: where
  // nothing but reading came in between.
  void arm_from_turn(Duration limit) { deadline_ = turn_began_ + limit; }
  // False when the wait was cut short: the deadline has passed, or the connection must end.
  Task<bool> wait(net::IoStatus status);
  // Waits for input of a connection without TLS and reads it: ok, or closed when it ended or must
  // end. One system call a message; `wait` and Transport::read take two.
  Task<net::IoResult> receive(MutableBytes room);
  // Waits for input, and returns true too once `time` has passed, a second late at most.
  Task<bool> wait_input_until(TimePoint time);
  // All of it; false, and the connection closes, when the peer does not take it within
  // Limits::write, which is for the whole and not for the next byte.
  Task<bool> write(Bytes bytes);
  // Until then, or until the connection must end.
  Task<void> pause(TimePoint end);
  // The same until `wake`, too. False once the peer has something to say, which is not watched any
  // more then: to be given back as `watching`. Where it has gone, the connection closes.
  Task<bool> await_news(TimePoint end, bool watching);
  bool peer_has_gone() const;

  void become(std::shared_ptr<share::Client> client);
  // On whose account it draws: the client's, or that of the nameless of its block.
  share::FlowId flow();
  // Full-entropy bytes, all of them or none: waits in line so long, or until the peer has gone.
  Task<std::optional<Drawn>> draw(std::size_t bytes, Duration wait);
  // What of `bytes` is there for us at once: all, a half, a quarter, ...; nullopt: nothing.
  std::optional<Drawn> draw_now(std::size_t bytes);
  // Writes a message whose random bytes are those of `delivery`, and settles them; false as
  // `write`.
  Task<bool> deliver(Bytes message, Delivery& delivery);
  // They were written some other way.
  void arrived(Delivery& delivery);
  // Of `bytes` of grade full that a peer asks for and need not get at once: what is there, or the
  // next piece of its share, no less than 64.
  std::size_t piece_of(std::size_t bytes) const;
  // Counts `bytes` of grade drbg against its rate; how long to wait before the next.
  Duration charge(std::uint64_t bytes);
  // How often that is asked in the middle of a long answer.
  static constexpr std::size_t bytes_a_charge = 256 << 10;
  // After `bytes` more of it were written: waits as long as its rate demands.
  struct Uncharged {
    std::size_t bytes = 0;
  };
  Task<void> pace(Uncharged& uncharged, std::size_t bytes);
  void count_drbg(std::size_t bytes);

  UniqueFd fd_;
  Socket socket_;
  net::Transport transport_;
  const net::Peer peer_;
  std::shared_ptr<share::Client> client_;
  std::shared_ptr<share::Flow> visitor_;  // its share while it has no name
  TimePoint deadline_ = TimePoint::max();
  TimePoint wake_at_ = TimePoint::max();          // see wait_input_until
  boost::asio::steady_timer* waiting_ = nullptr;  // while in line

 private:
  void resumed();
  void answered(TimePoint now);
  Task<bool> sleep(boost::asio::steady_timer& timer, bool watching);
  Drawn collect(share::Ticket& place);

  // From each to the next, never back.
  enum class Life { open, draining, closing };

  StreamWorker& worker_;
  const PeerEnd peer_end_;
  Life life_ = Life::open;
  bool busy_ = false;
  bool expired_ = false;
  bool over_quota_ = false;
  share::Visitors::Place place_;
  std::list<StreamConnection*>::iterator among_;  // the worker's
  TimePoint turn_began_{};
  std::optional<TimePoint> asked_at_;  // by what has not been answered yet
  bool named_ = false;
};

}  // namespace qanat::serve
