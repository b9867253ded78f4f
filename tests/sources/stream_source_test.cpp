#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "net/listen.h"
#include "sources/source_test.h"
#include "sources/stream_source.h"
#include "support/bad_server.h"

namespace qanat::sources {
namespace {

using namespace std::chrono_literals;

TEST_F(SourceTest, AfterAResumeALostPeerIsLookedForAtOnce) {
  const UniqueFd listener = net::listen_tcp({"127.0.0.1", 0});
  auto source = start(fmt::format("egd://127.0.0.1:{}", net::local_port(listener.get())));
  const Waker never;
  // By itself it would look a tenth time after minutes.
  for (int times = 0; times < 10; ++times) {
    ASSERT_EQ(wait_for(listener.get(), POLLIN, never, 10s), Wake::ready) << times;
    UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)).reset();
    ASSERT_TRUE(reaches(*source, "gone"));
    source->retest();
  }
}

TEST(StreamSourceTest, OneThatDripsIsLost) {
  const test::BadServer server(
      [](const auto& peer) { peer.drip("x", std::chrono::milliseconds(5)); });
  StreamSource source("", {"127.0.0.1", server.port()});
  const Waker never;
  ASSERT_TRUE(source.open(never));
  source.expect(Clock().now() + 300ms);
  std::array<std::uint8_t, 512> out{};
  auto got = source.read(out, never);
  while (got) got = source.read(out, never);
  EXPECT_NE(got.error().message.find("is too slow"), std::string::npos) << got.error().message;
}

TEST(StreamSourceTest, OneThatSaysNothingIsLost) {
  const test::BadServer server(test::BadServer::silent());
  StreamSource source("", {"127.0.0.1", server.port()});
  const Waker never;
  ASSERT_TRUE(source.open(never));
  source.expect(Clock().now() + 100ms);
  std::array<std::uint8_t, 512> out{};
  EXPECT_FALSE(source.read(out, never));
}

}  // namespace
}  // namespace qanat::sources
