#include "serve/stream_worker.h"

#include <malloc.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <new>

#include "base/log.h"
#include "serve/stream_connection.h"

namespace qanat::serve {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

// Out of descriptors: let some close before the next try.
constexpr Duration accept_pause = 100ms;

}  // namespace

StreamWorker::StreamWorker(const Limits& limits, const OutletServices& services,
                           share::Visitors& visitors, asio::io_context& context, std::size_t slot,
                           UniqueFd listener)
    : limits_(limits),
      services_(services),
      visitors_(visitors),
      context_(context),
      slot_(slot),
      listener_(std::move(listener)),
      acceptor_(context, listener_.get()),
      sweep_timer_(context),
      pause_timer_(context),
      accepting_(context),
      sweeping_(context) {}

StreamWorker::~StreamWorker() {
  if (acceptor_.is_open()) (void)acceptor_.release();  // listener_ closes it
}

void StreamWorker::start() {
  accepting_.start(
      "accepting connections", [this] { return accept_loop(); }, alarm());
}

net::KeptLoop::Tell StreamWorker::alarm() const {
  return [this](const std::string& text) {
    services_.on_event(visitors_.name(), text, EventKind::warning);
  };
}

asio::awaitable<void> StreamWorker::accept_loop() {
  boost::system::error_code problem;
  while (!draining_) {
    co_await acceptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                                  asio::redirect_error(asio::use_awaitable, problem));
    if (draining_) co_return;
    if (problem) throw boost::system::system_error(problem);
    const TimePoint turn_end = services_.clock.now() + turn;
    do {
      sockaddr_storage address{};
      socklen_t size = sizeof address;
      UniqueFd fd(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd) {
        const net::Peer peer = identify(address, fd.get());
        admit({std::move(fd), peer});
        continue;
      }
      if (errno == ECONNABORTED || errno == EINTR) continue;
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        ++counters_.too_many;
        starved(errno);
        pause_timer_.expires_after(accept_pause);
        co_await pause_timer_.async_wait(asio::redirect_error(asio::use_awaitable, problem));
      }
      break;
    } while (services_.clock.now() < turn_end);
  }
}

// One that is idle gives way, and who runs the node hears of it: once a minute, as the next one
// may be a second away.
void StreamWorker::starved(int problem) {
  constexpr Duration between = std::chrono::minutes(1);
  const TimePoint now = services_.clock.now();
  (void)make_room(Entry::full, {});
  if (starved_told_ && now - *starved_told_ < between) return;
  starved_told_ = now;
  services_.on_event(visitors_.name(),
                     with_errno("cannot accept connections", problem) +
                         "; raise RLIMIT_NOFILE (LimitNOFILE=), or lower limits.connections",
                     EventKind::warning);
}

void StreamWorker::admit(Arrival arrival) {
  switch (let_in(arrival)) {
    case Entry::in:
      return begin(std::move(arrival));
    case Entry::too_many_of_block:
      ++counters_.peer_too_many;
      return;
    case Entry::full:
      if (!may_wait(arrival.peer)) {
        ++counters_.too_many;
        return;
      }
      waiting_room_.push_back(std::move(arrival));
      begin_sweeping();
  }
}

StreamWorker::Entry StreamWorker::let_in(Arrival& arrival) {
  const auto come_in = [&] {
    return visitors_.come_in(arrival.peer.block, limits_.peer_connections, limits_.connections,
                             arrival.place);
  };
  const Entry entry = come_in();
  return entry != Entry::in && make_room(entry, arrival.peer) ? come_in() : entry;
}

// Closes one that is idle and has no name: of the same block, where that has all it may have and
// its protocol lets the newest go first; or of a block that has more, where the outlet is full.
bool StreamWorker::make_room(Entry why, const net::Peer& peer) {
  // Under a flood of newcomers each of them costs no more than so many looks.
  constexpr std::size_t most_looks = 64;
  const std::size_t own = visitors_.connections_of(peer.block);
  for (std::size_t looks = std::min(most_looks, nameless_.size()); looks > 0; --looks) {
    StreamConnection& oldest = *nameless_.front();
    nameless_.splice(nameless_.end(), nameless_, nameless_.begin());
    const std::uint64_t block = oldest.peer().block;
    const bool of_block = why == Entry::too_many_of_block;
    if (of_block ? block != peer.block || !oldest.gives_way()
                 : oldest.busy() || visitors_.connections_of(block) <= own + 1) {
      continue;
    }
    ++counters_.displaced;
    oldest.give_way();
    return true;
  }
  return false;
}

bool StreamWorker::may_wait(const net::Peer& peer) const {
  // One block does not take all of it: others would find no place to wait.
  constexpr std::size_t most_waiting = 64;
  constexpr std::size_t most_of_block = 16;
  const auto same =
      std::count_if(waiting_room_.begin(), waiting_room_.end(),
                    [&](const Arrival& other) { return other.peer.block == peer.block; });
  return limits_.wait_for_room && waiting_room_.size() < most_waiting &&
         static_cast<std::size_t>(same) < most_of_block;
}

void StreamWorker::admit_waiting() {
  for (std::size_t left = waiting_room_.size(); left > 0 && !draining_; --left) {
    Arrival arrival = std::move(waiting_room_.front());
    waiting_room_.pop_front();
    if (let_in(arrival) == Entry::in) {
      begin(std::move(arrival));
    } else {
      waiting_room_.push_back(std::move(arrival));
    }
  }
}

void StreamWorker::begin(Arrival arrival) {
  const net::Peer peer = arrival.peer;
  asio::co_spawn(context_, serve(std::move(arrival)),
                 [name = visitors_.name(), peer](const std::exception_ptr& failure) {
                   // A connection ends on any error, and only it.
                   if (!failure) return;
                   try {
                     std::rethrow_exception(failure);
                   } catch (const std::exception& e) {
                     log_of_peer(LogLevel::error, describe(peer),
                                 "{}: a connection of {} ended: {}", name, describe(peer),
                                 plain_what(e));
                   }
                 });
  begin_sweeping();
}

StreamWorker::Connections::iterator StreamWorker::came(StreamConnection& connection) {
  const auto place = nameless_.insert(nameless_.end(), &connection);
  counters_.connections.store(connections());
  peak_ = std::max(peak_, connections());
  return place;
}

void StreamWorker::has_name(Connections::iterator connection) {
  named_.splice(named_.end(), nameless_, connection);
}

void StreamWorker::left(Connections::iterator connection, bool named) {
  (named ? named_ : nameless_).erase(connection);
  counters_.connections.store(connections());
  if (waiting_room_.empty()) return;
  try {
    asio::post(context_, [this] { admit_waiting(); });
  } catch (const std::bad_alloc&) {
    return;  // the sweep does it, within a second
  }
}

template <typename Work>
void StreamWorker::for_each_connection(const Work& work) {
  for (StreamConnection* connection : nameless_) work(*connection);
  for (StreamConnection* connection : named_) work(*connection);
}

void StreamWorker::begin_sweeping() {
  if (sweeping_.running() || draining_) return;
  sweeping_.start(
      "closing late connections", [this] { return sweep(); }, alarm());
}

// One timer for all deadlines of the thread: once a second, while there are connections.
asio::awaitable<void> StreamWorker::sweep() {
  boost::system::error_code problem;
  do {
    sweep_timer_.expires_after(1s);
    co_await sweep_timer_.async_wait(asio::redirect_error(asio::use_awaitable, problem));
    const TimePoint now = services_.clock.now();
    for_each_connection([now](StreamConnection& connection) { connection.expire(now); });
    // A place may have become free on another thread.
    admit_waiting();
    trim_memory();
    log_sums();
  } while (connections() > 0 || !waiting_room_.empty());
}

// glibc keeps what was freed: after a burst that is what the burst took. The TLS handshakes that a
// thread may have under way are one, with 50 KB each.
void StreamWorker::trim_memory() {
  constexpr std::size_t burst = 250;
  if (peak_ < burst || connections() > peak_ / 2) return;
  peak_ = connections();
  ::malloc_trim(0);
}

void StreamWorker::drain() {
  draining_ = true;
  accepting_.stop();
  // Closed, not only left alone: who connects now is told at once, and so is who was not accepted
  // yet.
  if (acceptor_.is_open()) (void)acceptor_.release();
  listener_.reset();
  waiting_room_.clear();
  for_each_connection([](StreamConnection& connection) { connection.drain(); });
}

void StreamWorker::close_all() {
  for_each_connection([](StreamConnection& connection) { connection.close(); });
  accepting_.stop();
  sweeping_.stop();
  sweep_timer_.cancel();
  pause_timer_.cancel();
}

void StreamWorker::close_of(const share::Client& client) {
  for_each_connection([&client](StreamConnection& connection) {
    if (connection.client() == &client) connection.close();
  });
}

}  // namespace qanat::serve
