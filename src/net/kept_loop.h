// A coroutine that serves for as long as its owner wants it to: an exception ends one run, not the
// service.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <functional>
#include <string>

#include "base/clock.h"

namespace qanat::net {

// Owned by an accept loop, a sweep, a schedule, a UDP socket's reader. All but `running` on the
// context's thread. It must not be destroyed while it runs: stop it, end what its body waits for,
// and let the context run until `running` is false.
class KeptLoop {
 public:
  // Makes one run of the loop. When that returns, the loop has ended; when it throws, it begins
  // again after `pause`.
  using Body = std::function<boost::asio::awaitable<void>()>;
  // Told of each exception, for an event and an alarm: "accepting connections failed: bad_alloc; it
  // begins again in 1 s".
  using Tell = std::function<void(const std::string& text)>;

  static constexpr Duration usual_pause = std::chrono::seconds(1);

  explicit KeptLoop(boost::asio::io_context& context, Duration pause = usual_pause);
  KeptLoop(const KeptLoop&) = delete;
  KeptLoop& operator=(const KeptLoop&) = delete;
  ~KeptLoop();

  // `what` it does, for the message. Not while it runs.
  void start(std::string what, Body body, Tell tell);
  // It begins no more. A run that is under way ends by what its owner tells it.
  void stop();
  // From any thread.
  bool running() const { return running_.load(); }

  // A coroutine whose next step cannot begin for want of memory is dropped by asio: its frame ends,
  // without a word to anybody. For a loop the context is stopped then; whoever runs it calls this
  // before he runs it again, and loops that were dropped begin anew. On the context's thread;
  // throws what keeps one from beginning.
  static void begin_dropped(boost::asio::io_context& context);

 private:
  class All;
  class Frame;

  boost::asio::awaitable<void> keep();
  boost::asio::awaitable<void> keep_on();
  void spawn();
  void dropped() noexcept;
  void tell(const std::exception_ptr& problem, bool at_once) noexcept;

  boost::asio::io_context& context_;
  boost::asio::steady_timer timer_;
  const Duration pause_;
  std::string what_;
  Body body_;
  Tell tell_;
  std::atomic<bool> running_{false};
  bool stopping_ = false;
  bool dropped_ = false;
};

}  // namespace qanat::net
