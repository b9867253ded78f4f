#include "net/listen.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>

#include <filesystem>
#include <functional>

#include "net/connect.h"
#include "support/temporary_directory.h"

namespace qanat::net {
namespace {

spec::Address loopback(std::uint16_t port) { return {"127.0.0.1", port}; }

std::string complaint(const std::function<void()>& work) {
  try {
    work();
  } catch (const Failure& failure) {
    return failure.what();
  }
  return "";
}

TEST(ListenTest, ThreadsShareAPortAndNobodyElseDoes) {
  const Listeners tcp = listen_tcp(loopback(0), 4);
  ASSERT_EQ(tcp.size(), 4U);
  const std::uint16_t port = local_port(tcp[0][0].get());
  for (const auto& thread : tcp) EXPECT_EQ(local_port(thread[0].get()), port);
  EXPECT_EQ(complaint([&] { listen_tcp(loopback(port), 4); }),
            "cannot listen on 127.0.0.1:" + std::to_string(port) + ": Address already in use");
  EXPECT_NE(complaint([&] { listen_tcp({"*", port}, 1); }), "") << "a part of it, too";

  const Listeners udp = listen_udp(loopback(0), 4);
  const std::uint16_t other = local_port(udp[3][0].get());
  EXPECT_EQ(complaint([&] { listen_udp(loopback(other), 1); }),
            "cannot listen on UDP 127.0.0.1:" + std::to_string(other) + ": Address already in use");
}

TEST(ListenTest, APortIsFreeOnceItsListenersAreGone) {
  std::uint16_t port = 0;
  for (int i = 0; i < 3; ++i) {
    const Listeners tcp = listen_tcp(loopback(port), 2);
    port = local_port(tcp[0][0].get());
    const Waker never;
    ASSERT_TRUE(connect_tcp(loopback(port), never, std::chrono::seconds(10)));
  }
}

TEST(ListenTest, EachThreadGetsItsPartOfTheConnections) {
  constexpr int connections = 400;
  const Listeners tcp = listen_tcp(loopback(0), 4);
  const std::uint16_t port = local_port(tcp[0][0].get());
  const Waker never;
  std::vector<UniqueFd> clients;
  for (int i = 0; i < connections; ++i) {
    clients.push_back(*connect_tcp(loopback(port), never, std::chrono::seconds(10)));
  }
  int all = 0;
  for (const auto& thread : tcp) {
    int mine = 0;
    while (UniqueFd(::accept(thread[0].get(), nullptr, nullptr))) ++mine;
    // By hash: of 400, one of four threads gets fewer than 50 once in 10^9 runs.
    EXPECT_GT(mine, 50);
    all += mine;
  }
  EXPECT_EQ(all, connections);
}

class UnixListenTest : public testing::Test {
 protected:
  const test::TemporaryDirectory temporary_;
  const std::string directory_ = temporary_.path();

  std::string path() const { return directory_ + "/socket"; }
};

TEST_F(UnixListenTest, ADeadSocketIsReplacedAndALiveOneIsNot) {
  listen_unix(path(), 0600).reset();
  const UniqueFd live = listen_unix(path(), 0600);
  EXPECT_NE(complaint([&] { listen_unix(path(), 0600); }).find("in use"), std::string::npos);
  EXPECT_TRUE(connect_unix(path()));
}

TEST_F(UnixListenTest, AFileThatIsNoSocketIsLeftAlone) {
  ASSERT_TRUE(replace_file(path(), as_bytes("precious"), 0600));
  EXPECT_NE(complaint([&] { listen_unix(path(), 0600); }).find("not a socket"), std::string::npos);
  EXPECT_EQ(*read_file(path()), "precious");
  // Nor is a link followed to one.
  ASSERT_EQ(::symlink(path().c_str(), (directory_ + "/link").c_str()), 0);
  EXPECT_NE(complaint([&] { listen_unix(directory_ + "/link", 0600); }), "");
  EXPECT_EQ(*read_file(path()), "precious");
}

TEST_F(UnixListenTest, OnlyTheSocketThatWasMadeIsDeleted) {
  std::optional<FileId> made;
  const UniqueFd first = listen_unix(path(), 0600, &made);
  ASSERT_TRUE(made);
  // Somebody else's by now.
  ASSERT_EQ(::rename(path().c_str(), (directory_ + "/ours").c_str()), 0);
  const UniqueFd second = listen_unix(path(), 0600);
  remove_unix(path(), made);
  EXPECT_TRUE(connect_unix(path()));
  remove_unix(directory_ + "/ours", made);
  EXPECT_FALSE(file_id(directory_ + "/ours"));
}

}  // namespace
}  // namespace qanat::net
