#include "net/kept_loop.h"

#include <fmt/core.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>

#include "base/quantity.h"

namespace qanat::net {

namespace asio = boost::asio;

void KeptLoop::start(std::string what, Body body, Tell tell) {
  what_ = std::move(what);
  body_ = std::move(body);
  tell_ = std::move(tell);
  stopping_ = false;
  running_ = true;
  try {
    asio::co_spawn(context_, keep(), [this](const std::exception_ptr&) { running_ = false; });
  } catch (...) {
    running_ = false;
    throw;
  }
}

void KeptLoop::stop() {
  stopping_ = true;
  timer_.cancel();
}

asio::awaitable<void> KeptLoop::keep() {
  while (!stopping_) {
    std::exception_ptr problem;
    try {
      auto run = body_();
      co_await std::move(run);
      co_return;
    } catch (...) {
      problem = std::current_exception();
    }
    tell(problem);
    if (stopping_) co_return;
    boost::system::error_code ignored;
    timer_.expires_after(pause_);
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

// It was perhaps memory that was short: to have said nothing is better than to end for that.
void KeptLoop::tell(const std::exception_ptr& problem) noexcept {
  const auto say = [this](const char* why) {
    tell_(fmt::format("{} failed: {}; it begins again in {}", what_, why, format_duration(pause_)));
  };
  try {
    try {
      std::rethrow_exception(problem);
    } catch (const std::exception& known) {
      say(known.what());
    } catch (...) {
      say("an exception without a name");
    }
  } catch (...) {
    return;
  }
}

}  // namespace qanat::net
