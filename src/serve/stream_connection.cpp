#include "serve/stream_connection.h"
#include "serve/rates.h"

#include <poll.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace qanat::serve {

namespace asio = boost::asio;
using net::IoStatus;

namespace {

// One of those who wait, for as long as it does; also where its coroutine ends in the middle.
class InLine {
 public:
  InLine(std::atomic<std::uint64_t>& count, bool waits) : count_(waits ? &count : nullptr) {
    if (count_ != nullptr) ++*count_;
  }
  InLine(const InLine&) = delete;
  InLine& operator=(const InLine&) = delete;
  ~InLine() {
    if (count_ != nullptr) --*count_;
  }

 private:
  std::atomic<std::uint64_t>* const count_;
};

}  // namespace

StreamConnection::StreamConnection(StreamWorker& worker, Arrival arrival, PeerEnd end)
    : fd_(std::move(arrival.fd)),
      socket_(worker.context_, asio::generic::stream_protocol(AF_UNSPEC, 0), fd_.get()),
      transport_(fd_.get()),
      peer_(arrival.peer),
      worker_(worker),
      peer_end_(end),
      place_(std::move(arrival.place)) {
  try {
    among_ = worker.came(*this);
  } catch (...) {
    socket_.release();  // as at the end: fd_ closes it, once
    throw;
  }
  resumed();
}

StreamConnection::~StreamConnection() {
  if (client_) --client_->connections;
  worker_.left(among_, named_);
  socket_.release();  // fd_ closes it
}

void StreamConnection::resumed() { turn_began_ = worker_.services_.clock.now(); }

bool StreamConnection::turn_is_over() const {
  return worker_.services_.clock.now() - turn_began_ >= StreamWorker::turn;
}

asio::awaitable<void> StreamConnection::take_turns() {
  co_await asio::post(worker_.context_, asio::use_awaitable);
  resumed();
}

void StreamConnection::arm(Duration limit) { deadline_ = worker_.services_.clock.now() + limit; }

void StreamConnection::expire(TimePoint now) {
  if (now >= wake_at_) {
    wake_at_ = TimePoint::max();
    socket_.cancel();
  }
  if (now < deadline_) return;
  deadline_ = TimePoint::max();
  expired_ = true;
  ++worker_.counters_.timed_out;
  socket_.cancel();
}

void StreamConnection::drain() {
  if (life_ == Life::open) life_ = Life::draining;
  if (!busy_) return close();
  wake();  // whoever only waits for news has nothing to finish
}

void StreamConnection::close() {
  life_ = Life::closing;
  boost::system::error_code ignored;
  socket_.cancel(ignored);
  if (waiting_ != nullptr) waiting_->cancel();
}

// Its place is free at once, and it ends as soon as its coroutine runs.
void StreamConnection::give_way() {
  place_.leave();
  close();
}

// False when the wait was cut short: the deadline has passed, or the connection must end.
asio::awaitable<bool> StreamConnection::wait(IoStatus status) {
  if (closing() || expired_) co_return false;
  if (status != IoStatus::want_read && status != IoStatus::want_write) co_return false;
  boost::system::error_code problem;
  const auto what = status == IoStatus::want_read ? Socket::wait_read : Socket::wait_write;
  co_await socket_.async_wait(what, asio::redirect_error(asio::use_awaitable, problem));
  resumed();
  co_return !problem && !closing() && !expired_;
}

asio::awaitable<net::IoResult> StreamConnection::receive(MutableBytes room) {
  if (closing() || expired_) co_return net::IoResult{IoStatus::closed, 0};
  boost::system::error_code problem;
  const asio::mutable_buffer buffer(room.data(), room.size());
  const std::size_t bytes =
      co_await socket_.async_receive(buffer, asio::redirect_error(asio::use_awaitable, problem));
  resumed();
  const bool ended = problem || closing() || expired_;
  co_return net::IoResult{ended ? IoStatus::closed : IoStatus::ok, bytes};
}

asio::awaitable<bool> StreamConnection::wait_input_until(TimePoint time) {
  if (closing() || expired_) co_return false;
  wake_at_ = time;
  boost::system::error_code problem;
  co_await socket_.async_wait(Socket::wait_read,
                              asio::redirect_error(asio::use_awaitable, problem));
  resumed();
  const bool woken = wake_at_ != time;
  wake_at_ = TimePoint::max();
  co_return (!problem || woken) && !closing() && !expired_;
}

asio::awaitable<bool> StreamConnection::write(Bytes bytes) {
  bool armed = false;
  while (!bytes.empty()) {
    if (turn_is_over()) co_await take_turns();
    const net::IoResult written = transport_.write(bytes);
    if (written.status == IoStatus::ok) {
      bytes = bytes.subspan(written.bytes);
      continue;
    }
    if (!std::exchange(armed, true)) arm(worker_.limits_.write);
    // A peer that was told to go may still be told why.
    const bool ready = co_await wait(written.status);
    if (!ready) {
      life_ = Life::closing;
      co_return false;
    }
  }
  if (armed) deadline_ = TimePoint::max();
  co_return true;
}

bool StreamConnection::peer_has_gone() const {
  const short ended = peer_end_ == PeerEnd::may_be_half ? 0 : POLLRDHUP;
  pollfd state{fd_.get(), ended, 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & (ended | POLLHUP | POLLERR)) != 0;
}

void StreamConnection::become(std::shared_ptr<share::Client> client) {
  if (client == client_) return;
  if (client_) --client_->connections;
  client_ = std::move(client);
  over_quota_ = client_->connections++ >= worker_.limits_.client_connections;
  if (over_quota_) ++worker_.counters_.client_too_many;
  if (std::exchange(named_, true)) return;
  place_.has_name();
  worker_.has_name(among_);
}

// The first bytes of an answer have gone out whole: what comes after them in a stream is asked for
// by nobody.
void StreamConnection::answered(TimePoint now) {
  if (asked_at_) worker_.counters_.latency.add(now - *asked_at_);
  asked_at_.reset();
}

void StreamConnection::arrived(Delivery& delivery) {
  const TimePoint now = worker_.services_.clock.now();
  delivery.arrived(now);
  answered(now);
}

void StreamConnection::count_drbg(std::size_t bytes) {
  const TimePoint now = worker_.services_.clock.now();
  count(worker_.counters_, client_.get(), spec::Grade::drbg, bytes, now);
  answered(now);
}

// Counts `bytes` of grade drbg; how long to wait before the next.
Duration StreamConnection::charge(std::uint64_t bytes) {
  return charge_drbg(worker_.services_, worker_.limits_, peer_, client_.get(), bytes,
                     worker_.services_.clock.now());
}

asio::awaitable<void> StreamConnection::pace(Uncharged& uncharged, std::size_t bytes) {
  uncharged.bytes += bytes;
  if (uncharged.bytes < bytes_a_charge) co_return;
  const Duration owed = charge(std::exchange(uncharged.bytes, 0));
  if (owed > Duration::zero()) co_await pause(worker_.services_.clock.now() + owed);
}

asio::awaitable<void> StreamConnection::pause(TimePoint end) {
  asio::steady_timer timer(worker_.context_, end);
  waiting_ = &timer;
  deadline_ = TimePoint::max();
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  waiting_ = nullptr;
  resumed();
  if (peer_has_gone()) life_ = Life::closing;
  arm(worker_.limits_.write);
}

share::FlowId StreamConnection::flow() {
  if (client_) return client_->flow.id();
  if (!visitor_) visitor_ = worker_.visitors_.of(peer_.block);
  return visitor_->id();
}

std::size_t StreamConnection::piece_of(std::size_t bytes) const {
  // Less is not worth a message.
  constexpr std::size_t least_piece = 64;
  const share::Dispenser& dispenser = worker_.services_.dispenser;
  return std::min({bytes, dispenser.max_request_bytes(),
                   std::max({least_piece, dispenser.slice(), dispenser.available()})});
}

asio::awaitable<bool> StreamConnection::sleep(asio::steady_timer& timer, bool watching) {
  using namespace asio::experimental::awaitable_operators;
  boost::system::error_code timer_problem;
  boost::system::error_code socket_problem;
  if (watching) {
    auto timed = timer.async_wait(asio::redirect_error(asio::use_awaitable, timer_problem));
    auto readable = socket_.async_wait(Socket::wait_read,
                                       asio::redirect_error(asio::use_awaitable, socket_problem));
    auto either = std::move(timed) || std::move(readable);
    co_await std::move(either);
    if (peer_has_gone()) life_ = Life::closing;
  } else {
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, timer_problem));
  }
  resumed();
  // Readable: the next request is there already. Only the timer can wake us now.
  co_return watching&& socket_problem;
}

asio::awaitable<bool> StreamConnection::await_news(TimePoint end, bool watching) {
  asio::steady_timer timer(worker_.context_, end);
  waiting_ = &timer;
  deadline_ = TimePoint::max();
  const bool silent = co_await sleep(timer, watching);
  waiting_ = nullptr;
  co_return silent;
}

asio::awaitable<std::optional<Drawn>> StreamConnection::draw(std::size_t bytes, Duration wait) {
  if (turn_is_over()) co_await take_turns();
  const auto timer = std::make_shared<asio::steady_timer>(worker_.context_, wait);
  // Called by a source's thread: the timer is touched on ours only.
  share::Ticket place =
      worker_.services_.dispenser.request(flow(), bytes, worker_.services_.clock.now(), [timer] {
        asio::post(timer->get_executor(), [timer] { timer->expires_at(TimePoint::min()); });
      });
  deadline_ = TimePoint::max();  // the wait has its own
  waiting_ = timer.get();
  const InLine in_line(worker_.counters_.waiting, !place.ready());
  bool watching = true;
  while (!place.ready() && !closing() && timer->expiry() > worker_.services_.clock.now()) {
    watching = co_await sleep(*timer, watching);
  }
  waiting_ = nullptr;
  arm(worker_.limits_.write);
  // It may have left while it was not watched.
  if (!watching && peer_has_gone()) life_ = Life::closing;
  if (!place.ready() || closing()) co_return std::nullopt;
  co_return collect(place);
}

Drawn StreamConnection::collect(share::Ticket& place) {
  const std::size_t size = place.bytes();
  Drawn drawn{DrawnBytes(worker_.drawn_, size), {}};
  drawn.delivery = Delivery(place.collect(drawn.bytes.view()), size, worker_.counters_, client_);
  return drawn;
}

std::optional<Drawn> StreamConnection::draw_now(std::size_t bytes) {
  for (; bytes > 0; bytes /= 2) {
    share::Ticket place =
        worker_.services_.dispenser.request(flow(), bytes, worker_.services_.clock.now(), [] {});
    if (place.ready()) return collect(place);
  }
  return std::nullopt;
}

asio::awaitable<bool> StreamConnection::deliver(Bytes message, Delivery& delivery) {
  const bool written = co_await write(message);
  if (written) arrived(delivery);
  co_return written;
}

}  // namespace qanat::serve
