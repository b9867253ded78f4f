#include "peers/rngnet_receiver.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/connect.h"
#include "net/listen.h"
#include "support/noise.h"

namespace qanat::peers {
namespace {

using test::Samples;
using namespace std::chrono_literals;

std::uint16_t free_port() { return net::local_port(net::listen_udp({"127.0.0.1", 0}).get()); }

TEST(RngnetReceiver, TakesTheRightSizeAndCountsTheRest) {
  const std::uint16_t port = free_port();
  RngnetReceiver receiver({"127.0.0.1", port}, 512);
  const UniqueFd sender = *net::connect_udp(*net::resolve_udp({"127.0.0.1", port}));
  const Samples good = test::uniform(512, 5);
  const auto send = [&](const Samples& bytes) {
    ASSERT_EQ(::send(sender.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  };
  for (const std::size_t size : {511U, 513U, 0U, 1U, 4000U}) send(test::uniform(size, 2));
  send(Samples(512, 0x55));
  send(good);
  const Waker never;
  const TimePoint end = Clock().now() + 30s;
  const auto weak = receiver.receive(never, end);
  ASSERT_TRUE(weak);
  EXPECT_EQ(weak->front(), 0x55);
  const auto got = receiver.receive(never, end);
  ASSERT_TRUE(got);
  EXPECT_EQ(to_hex(*got), to_hex(good));
  EXPECT_EQ(receiver.stat_line(), "STAT ok=2/2 weak=1/1 weak_rate=500 recv_err=0/0 bad_size=5/5");
  EXPECT_EQ(receiver.stat_line(), "STAT ok=0/2 weak=0/1 weak_rate=0 recv_err=0/0 bad_size=0/5");
  EXPECT_FALSE(receiver.receive(never, Clock().now())) << "nothing more, and no wait";
  const Waker woken;
  woken.wake();
  EXPECT_FALSE(receiver.receive(woken, end));
}

TEST(RngnetReceiver, AGoodSourceIsWeakInSomeThreeOfAThousand) {
  const std::uint16_t port = free_port();
  RngnetReceiver receiver({"127.0.0.1", port}, 512);
  const UniqueFd sender = *net::connect_udp(*net::resolve_udp({"127.0.0.1", port}));
  const Waker never;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const Samples bytes = test::uniform(512, i);
    ASSERT_EQ(::send(sender.get(), bytes.data(), bytes.size(), 0), 512);
    ASSERT_TRUE(receiver.receive(never, Clock().now() + 30s));
  }
  // 60 expected; ten standard deviations of a binomial are 77.
  EXPECT_GT(receiver.counts().weak, 20U);
  EXPECT_LT(receiver.counts().weak, 137U);
}

}  // namespace
}  // namespace qanat::peers
