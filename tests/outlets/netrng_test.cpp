#include "outlets/netrng.h"

#include <gtest/gtest.h>

#include "outlets/stream_test.h"
#include "wire/netrng.h"

namespace qanat::outlets {
namespace {

namespace netrng = wire::netrng;
using netrng::Side;
using netrng::Verb;
using test::eventually;

class NetrngTest : public StreamTest {
 protected:
  // A whole reply; its sample is empty for none.
  test::Samples hear_sample(const UniqueFd& fd, std::size_t bytes) {
    const test::Samples reply =
        hear(fd, netrng::sample_head_bytes + bytes + netrng::delimiter.size());
    netrng::Message message;
    std::size_t used = 0;
    if (decode(Side::server, reply, netrng::most_reply, message, used) != wire::Status::complete) {
      return {};
    }
    return {message.sample.begin(), message.sample.end()};
  }
};

TEST_F(NetrngTest, ASampleIsPaidForAndAHeartbeatAnswered) {
  const auto outlet = start("netrng://127.0.0.1:0?bytes=64");
  const UniqueFd client = connect(*outlet);
  hub_.credit(64);
  say(client, encode(Side::client, Verb::sample));
  const auto sample = hear_sample(client, 64);
  EXPECT_EQ(sample.size(), 64U);
  EXPECT_TRUE(eventually([&] { return outlet->report().deliveries == 1; }));
  EXPECT_EQ(outlet->report().full_bytes, 64U);
  EXPECT_EQ(delivered_bytes(), 64U);

  const auto beat = encode(Side::server, Verb::heartbeat);
  say(client, encode(Side::client, Verb::heartbeat));
  EXPECT_EQ(hear(client, beat.size()), beat);
}

TEST_F(NetrngTest, WhenTimeIsUpTheClientHasWhatThereIs) {
  const auto outlet = start("netrng://127.0.0.1:0?bytes=256");
  const UniqueFd client = connect(*outlet);
  hub_.credit(64);
  say(client, encode(Side::client, Verb::sample));
  EXPECT_EQ(hear_sample(client, 64).size(), 64U);
  EXPECT_TRUE(eventually([&] { return outlet->report().full_bytes == 64; }));
  EXPECT_TRUE(hub_.dispenser.report().total.balanced());
}

TEST_F(NetrngTest, OfGradeDrbgItPaysNothing) {
  hub_.seed_drbg();
  ASSERT_TRUE(eventually([&] { return hub_.services().drbg.ready(); }));
  const auto outlet = start("netrng://127.0.0.1:0?bytes=64&grade=drbg");
  const UniqueFd client = connect(*outlet);
  say(client, encode(Side::client, Verb::sample));
  EXPECT_EQ(hear_sample(client, 64).size(), 64U);
  EXPECT_TRUE(eventually([&] { return outlet->report().drbg_bytes == 64; }));
  EXPECT_EQ(delivered_bytes(), 0U);
}

TEST_F(NetrngTest, NonsenseEndsTheConnectionAndIsCounted) {
  const auto outlet = start("netrng://127.0.0.1:0");
  const UniqueFd client = connect(*outlet);
  say(client, as_bytes(std::string(netrng::most_request, 'x')));
  EXPECT_TRUE(hear(client, 1).empty());
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("malformed") == 1; }));
}

TEST_F(NetrngTest, ItsNameIsReadWithItsOptions) {
  const auto plan = plan_outlet("netrng://127.0.0.1:1?bytes=64&clients=7");
  EXPECT_EQ(plan.limits.connections, 7U);
  EXPECT_TRUE(plan.limits.wait_for_room);
  EXPECT_NE(plan.note.find("samples of 64 bytes"), std::string::npos);
  EXPECT_THROW(plan_outlet("netrng:/run/x"), Failure);
  EXPECT_THROW(plan_outlet("netrng://127.0.0.1?announce=yes"), Failure);
}

}  // namespace
}  // namespace qanat::outlets
