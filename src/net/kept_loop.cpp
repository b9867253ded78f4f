#include "net/kept_loop.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <set>

#include "base/error.h"
#include "base/mutex.h"
#include "base/quantity.h"

namespace qanat::net {

namespace asio = boost::asio;

// Those of one context.
class KeptLoop::All : public asio::execution_context::service {
 public:
  using key_type = All;
  static asio::execution_context::id id;

  explicit All(asio::execution_context& context) : service(context) {}
  void add(KeptLoop* loop) {
    const MutexLock lock(mutex_);
    loops_.insert(loop);
  }
  void remove(KeptLoop* loop) {
    const MutexLock lock(mutex_);
    loops_.erase(loop);
  }
  // Once. Null: none was dropped.
  KeptLoop* take_dropped() {
    const MutexLock lock(mutex_);
    const auto found =
        std::find_if(loops_.begin(), loops_.end(), [](KeptLoop* loop) { return loop->dropped_; });
    if (found == loops_.end()) return nullptr;
    (*found)->dropped_ = false;
    return *found;
  }

 private:
  void shutdown() noexcept override {}

  Mutex mutex_;
  std::set<KeptLoop*> loops_ GUARDED_BY(mutex_);
};

asio::execution_context::id KeptLoop::All::id;

// In the frame of a loop: sees whether that ends by itself.
class KeptLoop::Frame {
 public:
  explicit Frame(KeptLoop& loop) : loop_(loop) {}
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  ~Frame() {
    if (!returned_) loop_.dropped();
  }
  void returned() { returned_ = true; }

 private:
  KeptLoop& loop_;
  bool returned_ = false;
};

KeptLoop::KeptLoop(asio::io_context& context, Duration pause)
    : context_(context), timer_(context), pause_(pause) {
  asio::use_service<All>(context_).add(this);
}

KeptLoop::~KeptLoop() { asio::use_service<All>(context_).remove(this); }

void KeptLoop::begin_dropped(asio::io_context& context) {
  auto& all = asio::use_service<All>(context);
  while (KeptLoop* const loop = all.take_dropped()) {
    try {
      loop->spawn();
    } catch (...) {
      loop->dropped();
      throw;
    }
    loop->tell(std::make_exception_ptr(std::bad_alloc()), true);
  }
}

void KeptLoop::dropped() noexcept {
  dropped_ = !stopping_;
  if (stopping_) running_ = false;
  // Needs no memory, as a task would.
  if (dropped_) context_.stop();
}

void KeptLoop::start(std::string what, Body body, Tell tell) {
  what_ = std::move(what);
  body_ = std::move(body);
  tell_ = std::move(tell);
  stopping_ = false;
  running_ = true;
  try {
    spawn();
  } catch (...) {
    running_ = false;
    throw;
  }
}

void KeptLoop::spawn() {
  asio::co_spawn(context_, keep(), [this](const std::exception_ptr&) {
    if (!dropped_) running_ = false;
  });
}

void KeptLoop::stop() {
  stopping_ = true;
  if (dropped_) {
    dropped_ = false;
    running_ = false;
  }
  timer_.cancel();
}

asio::awaitable<void> KeptLoop::keep() {
  Frame frame(*this);
  co_await keep_on();
  frame.returned();
}

asio::awaitable<void> KeptLoop::keep_on() {
  while (!stopping_) {
    std::exception_ptr problem;
    try {
      auto run = body_();
      co_await std::move(run);
      co_return;
    } catch (...) {
      problem = std::current_exception();
    }
    tell(problem, false);
    if (stopping_) co_return;
    boost::system::error_code ignored;
    timer_.expires_after(pause_);
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

// It was perhaps memory that was short: to have said nothing is better than to end for that.
void KeptLoop::tell(const std::exception_ptr& problem, bool at_once) noexcept {
  const auto say = [&](const std::string& why) {
    tell_(fmt::format("{} failed: {}; it begins again {}", what_, why,
                      at_once ? "at once" : "in " + format_duration(pause_)));
  };
  try {
    try {
      std::rethrow_exception(problem);
    } catch (const std::exception& known) {
      say(plain_what(known));
    } catch (...) {
      say("an exception without a name");
    }
  } catch (...) {
    return;
  }
}

}  // namespace qanat::net
