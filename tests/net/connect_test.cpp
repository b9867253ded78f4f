#include "net/connect.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/listen.h"

namespace qanat::net {
namespace {

TEST(ConnectTest, AllAddressesOfANameAreTriedAndNamed) {
  const Waker never;
  // Both families where hosts(5) says so; nothing listens on port 1.
  const auto refused = connect_tcp({"localhost", 1}, never, std::chrono::seconds(10));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("cannot reach localhost:1"), std::string::npos);
  EXPECT_NE(refused.error().message.find("refused"), std::string::npos);
}

TEST(ConnectTest, TheWholeHasADeadline) {
  // Whose queue is full: the kernel drops what comes.
  const UniqueFd full(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(full.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(::listen(full.get(), 0), 0);
  const Waker never;
  const spec::Address address{"127.0.0.1", local_port(full.get())};
  std::vector<UniqueFd> waiting;
  for (int i = 0; i < 16; ++i) {
    auto fd = connect_tcp(address, never, std::chrono::milliseconds(200));
    if (!fd) {
      EXPECT_NE(fd.error().message.find("timed out"), std::string::npos) << fd.error().message;
      return;
    }
    waiting.push_back(std::move(*fd));
  }
  FAIL() << "the queue took all";
}

}  // namespace
}  // namespace qanat::net
