#include "net/kept_loop.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <new>
#include <vector>

namespace qanat::net {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

struct KeptLoopTest : testing::Test {
  asio::io_context context;
  KeptLoop loop{context, 1ms};
  std::vector<std::string> told;
  int runs = 0;

  // The exception leaves `run`, and the coroutine ends with the next.
  void drop() {
    EXPECT_THROW(context.run(), std::bad_alloc);
    context.restart();
    context.run();
  }
  KeptLoop::Tell tell() {
    return [this](const std::string& text) { told.push_back(text); };
  }
};

TEST_F(KeptLoopTest, BeginsAgainAfterAnExceptionAndTellsOfIt) {
  loop.start(
      "accepting",
      [this]() -> asio::awaitable<void> {
        co_await asio::post(context, asio::use_awaitable);
        if (++runs < 3) throw std::bad_alloc();
      },
      tell());
  EXPECT_TRUE(loop.running());
  context.run();
  EXPECT_FALSE(loop.running());
  EXPECT_EQ(runs, 3);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0], "accepting failed: out of memory (std::bad_alloc); it begins again in 1 ms");
}

TEST_F(KeptLoopTest, WhatMakesNoRunIsTriedAgainToo) {
  loop.start(
      "accepting",
      [this]() -> asio::awaitable<void> {
        if (++runs == 1) throw std::bad_alloc();
        return [](asio::io_context& c) -> asio::awaitable<void> {
          co_await asio::post(c, asio::use_awaitable);
        }(context);
      },
      tell());
  context.run();
  EXPECT_EQ(runs, 2);
}

// What asio does for want of memory: the step does not begin, and the coroutine is gone.
asio::awaitable<void> step_that_cannot_begin() {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      [](auto&&) { throw std::bad_alloc(); }, asio::use_awaitable);
}

TEST_F(KeptLoopTest, OneThatIsDroppedBeginsAgain) {
  loop.start(
      "accepting",
      [this]() -> asio::awaitable<void> {
        if (++runs == 1) co_await step_that_cannot_begin();
        co_await asio::post(context, asio::use_awaitable);
      },
      tell());
  drop();
  EXPECT_TRUE(loop.running());
  KeptLoop::begin_dropped(context);
  context.restart();
  context.run();
  EXPECT_EQ(runs, 2);
  EXPECT_FALSE(loop.running());
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0], "accepting failed: out of memory (std::bad_alloc); it begins again at once");
}

TEST_F(KeptLoopTest, OneThatIsDroppedCanBeStopped) {
  loop.start(
      "accepting", []() -> asio::awaitable<void> { co_await step_that_cannot_begin(); }, tell());
  drop();
  loop.stop();
  EXPECT_FALSE(loop.running());
  KeptLoop::begin_dropped(context);
  context.restart();
  context.run();
  EXPECT_TRUE(told.empty());
}

TEST_F(KeptLoopTest, StopEndsThePauseToo) {
  KeptLoop slow(context, 24h);
  slow.start(
      "accepting",
      [this]() -> asio::awaitable<void> {
        ++runs;
        throw 5;  // NOLINT(hicpp-exception-baseclass): any exception at all
        co_return;
      },
      [&](const std::string& text) {
        told.push_back(text);
        asio::post(context, [&] { slow.stop(); });
      });
  context.run();
  EXPECT_FALSE(slow.running());
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(told.size(), 1U);
}

TEST_F(KeptLoopTest, ATellerThatThrowsEndsNothing) {
  loop.start(
      "accepting",
      [this]() -> asio::awaitable<void> {
        if (++runs < 3) throw std::bad_alloc();
        co_return;
      },
      [](const std::string&) { throw std::bad_alloc(); });
  context.run();
  EXPECT_EQ(runs, 3);
}

}  // namespace
}  // namespace qanat::net
