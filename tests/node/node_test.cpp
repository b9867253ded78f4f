#include "node/node.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "support/eventually.h"

namespace qanat::node {
namespace {

using test::eventually;
using namespace std::chrono_literals;

class NodeTest : public testing::Test {
 protected:
  NodeTest() {
    std::string pattern = testing::TempDir() + "/qanat-node-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~NodeTest() override { std::filesystem::remove_all(directory_); }

  NodeSettings hub(std::vector<std::string> outlets = {"https://127.0.0.1:0"}) {
    NodeSettings settings;
    settings.state_path = directory_ + "/hub";
    settings.config.sources = {"exec:cat /dev/urandom?h=8"};
    settings.config.outlets = std::move(outlets);
    return settings;
  }
  // What `qanat invite` does.
  static std::string invite(const Node& node, const std::string& name,
                            const std::string& terms = "") {
    Waker waker;
    net::HttpClient control(net::unix_endpoint(node.state().control_socket()), waker);
    const auto answer =
        control.text("POST", "/control/invite", "{\"name\": \"" + name + "\"" + terms + "}");
    if (!answer) return "error: " + answer.error().message;
    const auto begin = answer->find("qanat1.");
    return answer->substr(begin, answer->find('"', begin) - begin);
  }
  static bool ready(const Node& node) {
    return eventually([&] { return node.snapshot().ready; });
  }
  std::string directory_;
};

TEST_F(NodeTest, AFeedIsFedByAHubItWasInvitedTo) {
  Node hub_node(hub());
  hub_node.start();
  ASSERT_TRUE(ready(hub_node));
  NodeSettings feed;
  feed.state_path = directory_ + "/feed";
  feed.config.outlets = {"file:" + directory_ + "/seed"};
  feed.feed = FeedSettings{{invite(hub_node, "leaf")}, {1h, 64, {}}};
  std::atomic<int> fed{0};
  feed.on_fed = [&] { ++fed; };
  Node leaf(std::move(feed));
  leaf.start();
  EXPECT_TRUE(eventually([&] { return fed == 1; }));
  leaf.feed_now();
  EXPECT_TRUE(eventually([&] { return fed == 2; }));
  const auto at_leaf = leaf.snapshot();
  EXPECT_EQ(at_leaf.role, "feed");
  EXPECT_EQ(at_leaf.dispenser.total.delivered, 1024U);
  EXPECT_EQ(at_leaf.dispenser.total.discarded, 0U);
  EXPECT_EQ(at_leaf.sources.at(0).bytes, 128U);
  EXPECT_EQ(at_leaf.sources.at(0).alarms, 0U) << at_leaf.sources.at(0).detail;
  EXPECT_EQ(at_leaf.outlets.at(0).refused.at("failed"), 0U) << at_leaf.outlets.at(0).problem;
  EXPECT_TRUE(at_leaf.dispenser.total.balanced());
  EXPECT_EQ(at_leaf.dispenser.fill, 0U) << "a feed keeps nothing";
  EXPECT_TRUE(eventually([&] { return hub_node.snapshot().dispenser.total.delivered >= 1024; }));
  EXPECT_TRUE(eventually([&] { return hub_node.snapshot().clients.at(0).full_bytes >= 128; }));
  EXPECT_EQ(hub_node.snapshot().dispenser.total.delivered, 1024U)
      << "each bit is paid for once, at both ends";
  EXPECT_TRUE(leaf.stop(5s));
  EXPECT_TRUE(hub_node.stop(5s));
  EXPECT_TRUE(hub_node.snapshot().dispenser.total.balanced());
  EXPECT_EQ(hub_node.snapshot().dispenser.total.reserve, 0U) << "wiped";
}

TEST_F(NodeTest, ClientsOutliveARestartAndTheirKeysCannotBeReadOff) {
  std::string join;
  {
    Node node(hub());
    node.start();
    join = invite(node, "router");
    EXPECT_TRUE(join.starts_with("qanat1.")) << join;
    EXPECT_TRUE(invite(node, "router").find("already") != std::string::npos);
  }
  const auto decoded = wire::decode_join_string(join);
  const Bytes key = decoded->key.view();
  for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/hub")) {
    if (!entry.is_regular_file()) continue;
    struct stat info {};
    ::stat(entry.path().c_str(), &info);
    EXPECT_EQ(info.st_mode & 077, 0U) << entry.path();
    const auto content = read_file(entry.path());
    for (const std::string& form :
         {std::string(as_text(key)), to_hex(key), to_base64(key), to_base64url(key)}) {
      EXPECT_EQ(content->find(form), std::string::npos) << entry.path();
    }
  }
  Node again(hub());
  again.start();
  EXPECT_EQ(again.snapshot().clients.at(0).name, "router");
  EXPECT_EQ(again.snapshot().pin, to_hex(decoded->pin));
}

TEST_F(NodeTest, TermsOfTheConfigurationGoBeforeOthers) {
  NodeSettings settings = hub();
  settings.config.clients = {{"router", {2048, 0, 3}}};
  Node node(std::move(settings));
  node.start();
  // As soon as the sources have proved what they deliver.
  ASSERT_TRUE(eventually([&] { return invite(node, "router").starts_with("qanat1."); }));
  EXPECT_TRUE(invite(node, "other").starts_with("qanat1."));
  const auto clients = node.snapshot().clients;
  ASSERT_EQ(clients.size(), 2U);
  EXPECT_EQ(clients[0].weight, 1);
  EXPECT_EQ(clients[1].weight, 3);
  EXPECT_EQ(clients[1].rate, 2048U);
  EXPECT_FALSE(clients[1].suspended);
  // At a reload too.
  Config config = hub().config;
  config.clients = {{"router", {1024, 0, 5}}};
  node.reload(config);
  EXPECT_EQ(node.snapshot().clients[1].rate, 1024U);
  EXPECT_EQ(node.snapshot().clients[1].weight, 5);
}

TEST_F(NodeTest, PromisesWhatTheSourcesHaveProvedAndNoMore) {
  Node node(hub());
  node.start();
  ASSERT_TRUE(
      eventually([&] { return invite(node, "first", ", \"rate\": 1000").starts_with("qanat1."); }));
  const std::string refusal = invite(node, "greedy", ", \"rate\": 1073741824");
  EXPECT_NE(refusal.find("could be promised now"), std::string::npos) << refusal;
  for (const char* nonsense : {", \"rate\": -1", ", \"rate\": 1e300", ", \"weight\": 0",
                               ", \"weight\": -5", ", \"weight\": 1e9", ", \"burst\": 5"}) {
    EXPECT_TRUE(invite(node, "odd", nonsense).starts_with("error")) << nonsense;
  }
  EXPECT_EQ(node.snapshot().clients.size(), 1U);
  EXPECT_EQ(node.snapshot().dispenser.promised, 1000);
}

TEST_F(NodeTest, PromisesAreKeptInTheOrderInWhichTheyWereMade) {
  const auto names = [&] {
    std::vector<std::string> out;
    StateDir state(directory_ + "/hub");
    const auto stored = state.load_clients();
    for (const auto& client : stored->clients) out.push_back(client.name);
    return out;
  };
  {
    Node node(hub());
    node.start();
    for (const char* name : {"zebra", "ant", "mole"}) {
      ASSERT_TRUE(invite(node, name).starts_with("qanat1."));
    }
  }
  EXPECT_EQ(names(), (std::vector<std::string>{"zebra", "ant", "mole"}));
  Node again(hub());
  again.start();
  ASSERT_TRUE(invite(again, "bee").starts_with("qanat1."));
  EXPECT_EQ(names(), (std::vector<std::string>{"zebra", "ant", "mole", "bee"}));
}

TEST_F(NodeTest, TwoNodesDoNotShareAStateDirectory) {
  Node first(hub());
  first.start();
  Node second(hub({"http://127.0.0.1:0"}));
  EXPECT_THROW(second.start(), Failure);
}

TEST_F(NodeTest, AStateDirectoryThatCannotBeWrittenIsSaidAndServingGoesOn) {
  NodeSettings settings = hub();
  settings.state_path = "/proc/qanat";
  Node node(std::move(settings));
  node.start();
  EXPECT_TRUE(ready(node));
  const auto events = node.snapshot().events;
  EXPECT_TRUE(std::any_of(events.begin(), events.end(), [](const auto& event) {
    return event.subject == "state" && event.alarm;
  }));
}

TEST_F(NodeTest, ReloadKeepsWhatStaysAndTheOldWholeWhenTheNewCannotStart) {
  Node node(hub({"http://127.0.0.1:0", "fifo:" + directory_ + "/a"}));
  node.start();
  ASSERT_TRUE(ready(node));
  const auto before = node.snapshot();
  Config next = hub({"http://127.0.0.1:0", "fifo:" + directory_ + "/b"}).config;
  next.sources.emplace_back("kernel");
  node.reload(next);
  const auto after = node.snapshot();
  ASSERT_EQ(after.outlets.size(), 2U);
  EXPECT_EQ(after.outlets[0].detail, before.outlets[0].detail) << "the same port: never restarted";
  EXPECT_EQ(after.outlets[1].name, "fifo:" + directory_ + "/b");
  EXPECT_EQ(after.sources.size(), 2U);
  EXPECT_GE(after.sources[0].bytes, before.sources[0].bytes);

  Config broken = next;
  broken.outlets = {"fifo:" + directory_ + "/c", "fifo:/proc/none/fifo"};
  EXPECT_THROW(node.reload(broken), Failure);
  ASSERT_EQ(node.snapshot().outlets.size(), 2U);
  EXPECT_EQ(node.snapshot().outlets[1].name, "fifo:" + directory_ + "/b");
  EXPECT_TRUE(node.snapshot().dispenser.total.balanced());
}

TEST_F(NodeTest, NothingRunsWhenOneOutletCannotStart) {
  Node first(hub({"http://127.0.0.1:0"}));
  first.start();
  NodeSettings settings = hub({"fifo:" + directory_ + "/f", "http://192.0.2.7:1?access=open"});
  settings.state_path = directory_ + "/other";
  Node node(std::move(settings));
  EXPECT_THROW(node.start(), Failure);
  EXPECT_TRUE(node.snapshot().sources.empty());
}

TEST_F(NodeTest, AFeedWithARevokedInvitationKnowsThatWaitingIsOfNoUse) {
  Node hub_node(hub());
  hub_node.start();
  ASSERT_TRUE(ready(hub_node));
  const std::string join = invite(hub_node, "leaf");
  Waker waker;
  net::HttpClient control(net::unix_endpoint(hub_node.state().control_socket()), waker);
  ASSERT_TRUE(control.text("POST", "/control/revoke", "{\"name\": \"leaf\"}"));
  NodeSettings feed;
  feed.state_path = directory_ + "/feed";
  feed.config.outlets = {"file:" + directory_ + "/seed"};
  feed.feed = FeedSettings{{join}, {1h, 64, {}}};
  Node leaf(std::move(feed));
  leaf.start();
  EXPECT_TRUE(eventually([&] { return !leaf.hopeless().empty(); }));
  EXPECT_NE(leaf.hopeless().find("401"), std::string::npos) << leaf.hopeless();
}

}  // namespace
}  // namespace qanat::node
