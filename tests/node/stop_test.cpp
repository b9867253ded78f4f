// How a node ends, and how it changes, while others ask it things.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

#include "net/connect.h"
#include "node/node.h"
#include "peers/http_client.h"
#include "support/eventually.h"
#include "support/temporary_directory.h"

namespace qanat::node {
namespace {

using test::eventually;
using namespace std::chrono_literals;

// A stop that hangs would hang the test, too: it ends the program, with a word.
void must_end(const std::string& what, const std::function<void()>& work) {
  std::promise<void> done;
  auto ended = done.get_future();
  std::thread thread([&] {
    work();
    done.set_value();
  });
  if (ended.wait_for(60s) != std::future_status::ready) {
    std::fprintf(stderr, "%s: hangs\n", what.c_str());
    std::_Exit(1);
  }
  thread.join();
}

class StopTest : public testing::Test {
 protected:
  const test::TemporaryDirectory temporary_;
  const std::string directory_ = temporary_.path();

  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  NodeSettings hub(std::vector<std::string> outlets) const {
    NodeSettings settings;
    settings.state_path = path("state");
    settings.config.sources = {"exec:cat /dev/urandom?h=8"};
    settings.config.outlets = std::move(outlets);
    settings.config.threads = 2;
    return settings;
  }
  static peers::Endpoint endpoint(const Node& node, std::size_t outlet = 0) {
    peers::Endpoint endpoint;
    const std::string detail = node.report().outlets.at(outlet).detail;
    endpoint.address = *spec::parse_address(detail.substr(detail.rfind(' ') + 1));
    endpoint.tls = false;
    return endpoint;
  }
  static bool ready(const Node& node) {
    return eventually([&] { return node.report().ready; });
  }
  static std::uint16_t free_port() {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) std::abort();
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &size);
    return ntohs(at.sin_port);
  }
};

TEST_F(StopTest, EndsWhileOthersAskForMetricsAndStatus) {
  for (int round = 0; round < 3; ++round) {
    Node node(hub({"http://127.0.0.1:0"}));
    node.start();
    std::atomic<int> answered{0};
    std::vector<std::thread> readers;
    for (const char* page : {"/metrics", "/v1/status", "/metrics", "/v1/status"}) {
      readers.emplace_back([&, page, at = endpoint(node)]() mutable {
        Waker waker;
        peers::HttpClient client(std::move(at), waker);
        while (client.text("GET", page, "")) ++answered;
      });
    }
    ASSERT_TRUE(eventually([&] { return answered > 20; }));
    must_end("a stop", [&] { EXPECT_TRUE(node.stop(2s)); });
    for (std::thread& reader : readers) reader.join();
  }
}

// Demand begins on an I/O thread, and wakes all sources.
TEST_F(StopTest, EndsWhileReadersDrainTheReserve) {
  std::vector<std::string> outlets;
  for (int i = 0; i < 12; ++i) outlets.push_back("raw:" + path("raw" + std::to_string(i)));
  outlets.push_back("egd:" + path("egd"));
  for (int round = 0; round < 3; ++round) {
    NodeSettings settings = hub(outlets);
    settings.config.reserve_bytes = 16 << 10;
    Node node(std::move(settings));
    node.start();
    std::atomic<int> answered{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 8; ++i) {
      readers.emplace_back([&] {
        const auto fd = net::connect_unix(path("egd"));
        if (!fd) return;
        ::fcntl(fd->get(), F_SETFL, 0);  // it may block
        const std::array<std::uint8_t, 2> question{0x02, 255};
        std::array<std::uint8_t, 255> bytes{};
        for (;;) {
          if (::send(fd->get(), question.data(), question.size(), MSG_NOSIGNAL) != 2) return;
          if (::recv(fd->get(), bytes.data(), bytes.size(), MSG_WAITALL) != 255) return;
          ++answered;
        }
      });
    }
    ASSERT_TRUE(eventually([&] { return answered > 100; }));
    must_end("a stop", [&] { EXPECT_TRUE(node.stop(2s)); });
    for (std::thread& reader : readers) reader.join();
  }
}

TEST_F(StopTest, ADefaultOutletThatCannotStartIsAProblemAndNoEnd) {
  NodeSettings settings = hub({"http://127.0.0.1:0", "egd:" + path("later/egd")});
  settings.config.default_outlets = true;
  // A file in the directory's place.
  ASSERT_TRUE(replace_file(path("later"), as_bytes("x"), 0600));
  const Config config = settings.config;
  Node node(settings);
  node.start();
  EXPECT_TRUE(ready(node));
  const auto before = node.report();
  EXPECT_EQ(before.outlets.at(0).problem, "");
  EXPECT_NE(before.outlets.at(1).problem.find("later/egd"), std::string::npos);
  EXPECT_TRUE(std::any_of(before.events.begin(), before.events.end(),
                          [&](const auto& event) { return is_alarm(event.kind); }));
  std::filesystem::remove(path("later"));
  node.reload(config);
  const auto after = node.report();
  ASSERT_EQ(after.outlets.size(), 2U);
  EXPECT_EQ(after.outlets.at(1).problem, "") << "tried again";
  EXPECT_TRUE(net::connect_unix(path("later/egd")));
  EXPECT_TRUE(node.stop(2s));

  std::filesystem::remove_all(path("later"));
  settings.config.default_outlets = false;
  Node named(settings);
  EXPECT_THROW(named.start(), Failure) << "what was named must be there";
  settings.config.default_outlets = true;
  settings.config.outlets.erase(settings.config.outlets.begin());
  Node none(settings);
  EXPECT_THROW(none.start(), Failure) << "none is left";
}

TEST_F(StopTest, ReloadedLimitsHoldForOutletsThatStayAndForWhoIsConnected) {
  NodeSettings settings = hub({"http://127.0.0.1:0"});
  Config config = settings.config;
  Node node(std::move(settings));
  node.start();
  ASSERT_TRUE(ready(node));
  Waker waker;
  peers::HttpClient client(endpoint(node), waker);
  ASSERT_TRUE(client.text("GET", "/v1/random?bytes=16KiB&grade=drbg&format=hex", ""));
  config.limits.request_drbg_bytes = 8192;
  node.reload(config);
  const auto refused = client.text("GET", "/v1/random?bytes=16KiB&grade=drbg&format=hex", "");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("413"), std::string::npos) << refused.error().message;
  EXPECT_TRUE(client.text("GET", "/v1/random?bytes=8KiB&grade=drbg&format=hex", ""));
}

TEST_F(StopTest, ReloadedOptionsTakeOverTheirSocket) {
  const std::string port = std::to_string(free_port());
  NodeSettings settings = hub({"egd:" + path("egd") + "?mode=0600", "http://127.0.0.1:" + port});
  Config config = settings.config;
  Node node(std::move(settings));
  node.start();
  ASSERT_TRUE(ready(node));
  config.outlets = {"egd:" + path("egd") + "?mode=0666", "http://127.0.0.1:" + port + "?weight=2"};
  node.reload(config);
  struct stat info {};
  ASSERT_EQ(::stat(path("egd").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0666U);
  EXPECT_TRUE(net::connect_unix(path("egd")));
  const auto names = [&] {
    std::vector<std::string> all;
    for (const auto& outlet : node.report().outlets) all.push_back(outlet.name);
    std::sort(all.begin(), all.end());
    return all;
  };
  EXPECT_EQ(names(), config.outlets);
  // One that fails at the place of another gives it back.
  Config broken = config;
  broken.outlets[1] = "https://127.0.0.1:" + port + "?cert=" + path("none");
  EXPECT_THROW(node.reload(broken), Failure);
  EXPECT_EQ(names(), config.outlets);
  Waker waker;
  peers::HttpClient client(endpoint(node, node.report().outlets.at(0).name == names()[1] ? 0 : 1),
                           waker);
  EXPECT_TRUE(client.text("GET", "/healthz", ""));
  EXPECT_TRUE(node.stop(2s));
}

}  // namespace
}  // namespace qanat::node
