#include "outlets/stream_worker.h"

#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "base/log.h"
#include "outlets/stream_connection.h"

namespace qanat::outlets {

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
  accepting_.start("accepting connections", [this] { return accept_loop(); }, alarm());
}

net::KeptLoop::Tell StreamWorker::alarm() const {
  return [this](const std::string& text) { services_.on_event(visitors_.name(), text, true); };
}

asio::awaitable<void> StreamWorker::accept_loop() {
  using Entry = share::Visitors::Entry;
  boost::system::error_code problem;
  Entry entry = Entry::full;
  while (!draining_) {
    co_await acceptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                                  asio::redirect_error(asio::use_awaitable, problem));
    if (draining_) co_return;
    if (problem) throw boost::system::system_error(problem);
    for (;;) {
      sockaddr_storage address{};
      socklen_t size = sizeof address;
      UniqueFd fd(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
        ++counters_.too_many;
        pause_timer_.expires_after(accept_pause);
        co_await pause_timer_.async_wait(asio::redirect_error(asio::use_awaitable, problem));
        break;
      }
      if (!fd) {
        if (errno == ECONNABORTED || errno == EINTR) continue;
        break;
      }
      const net::Peer peer = identify(address, fd.get());
      for (;;) {
        entry = visitors_.come_in(peer.block, limits_.peer_connections, limits_.connections);
        if (entry != Entry::full || !limits_.wait_for_room || draining_) break;
        // Others wait in the socket's backlog.
        pause_timer_.expires_after(accept_pause);
        co_await pause_timer_.async_wait(asio::redirect_error(asio::use_awaitable, problem));
      }
      if (entry != Entry::in || draining_) {
        if (entry == Entry::in) visitors_.leave(peer.block);
        ++(entry == Entry::too_many_of_block ? counters_.peer_too_many : counters_.too_many);
        continue;
      }
      asio::co_spawn(context_, serve(std::move(fd), peer),
                     [this, peer](const std::exception_ptr& failure) {
                       visitors_.leave(peer.block);
                       // A connection ends on any error, and only it.
                       if (!failure) return;
                       try {
                         std::rethrow_exception(failure);
                       } catch (const std::exception& e) {
                         log_error("a connection ended: {}", e.what());
                       }
                     });
      begin_sweeping();
    }
  }
}

void StreamWorker::begin_sweeping() {
  if (sweeping_.running() || draining_) return;
  sweeping_.start("closing late connections", [this] { return sweep(); }, alarm());
}

// One timer for all deadlines of the thread: once a second, while there are connections.
asio::awaitable<void> StreamWorker::sweep() {
  boost::system::error_code problem;
  do {
    sweep_timer_.expires_after(1s);
    co_await sweep_timer_.async_wait(asio::redirect_error(asio::use_awaitable, problem));
    const TimePoint now = services_.clock.now();
    for (StreamConnection* connection : connections_) connection->expire(now);
  } while (!connections_.empty());
}

void StreamWorker::drain() {
  draining_ = true;
  // Closed, not only left alone: who connects now is told at once, and so is who was not accepted
  // yet.
  if (acceptor_.is_open()) (void)acceptor_.release();
  listener_.reset();
  for (StreamConnection* connection : connections_) connection->drain();
}

void StreamWorker::close_all() {
  for (StreamConnection* connection : connections_) connection->close();
  accepting_.stop();
  sweeping_.stop();
  sweep_timer_.cancel();
  pause_timer_.cancel();
}

void StreamWorker::close_of(const share::Client& client) {
  for (StreamConnection* connection : connections_) {
    if (connection->client() == &client) connection->close();
  }
}

}  // namespace qanat::outlets
