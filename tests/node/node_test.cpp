#include "node/node.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <cstring>
#include <filesystem>
#include <random>
#include <set>
#include <thread>
#include <unordered_set>

#include "net/listen.h"
#include "sources/upstream/names.h"
#include "support/eventually.h"
#include "support/temporary_directory.h"
#include "support/trickle_answer.h"
#include "wire/join_string.h"
#include "wire/path.h"
#include "wire/trickle.h"

namespace qanat::node {
namespace {

using test::eventually;
using namespace std::chrono_literals;

class NodeTest : public testing::Test {
 protected:
  const test::TemporaryDirectory temporary_;
  const std::string directory_ = temporary_.path();

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
    peers::HttpClient control(peers::unix_endpoint(node.state().control_socket()), waker);
    const auto answer =
        control.text("POST", "/control/invite", "{\"name\": \"" + name + "\"" + terms + "}");
    if (!answer) return "error: " + answer.error().message;
    const auto begin = answer->find("qanat1.");
    return answer->substr(begin, answer->find('"', begin) - begin);
  }
  static bool ready(const Node& node) {
    return eventually([&] { return node.report().ready; });
  }
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
  leaf.renew("the test");
  EXPECT_TRUE(eventually([&] { return fed == 2; }));
  const auto at_leaf = leaf.report();
  EXPECT_EQ(at_leaf.role, "feed");
  EXPECT_EQ(at_leaf.dispenser.total.delivered, 1024U);
  EXPECT_EQ(at_leaf.dispenser.total.discarded, 0U);
  EXPECT_EQ(at_leaf.sources.at(0).bytes, 128U);
  EXPECT_EQ(at_leaf.sources.at(0).alarms, 0U) << at_leaf.sources.at(0).detail;
  EXPECT_EQ(at_leaf.outlets.at(0).refused.at("failed"), 0U) << at_leaf.outlets.at(0).problem;
  EXPECT_TRUE(at_leaf.dispenser.total.balanced());
  EXPECT_EQ(at_leaf.dispenser.fill, 0U) << "a feed keeps nothing";
  EXPECT_TRUE(eventually([&] { return hub_node.report().dispenser.total.delivered >= 1024; }));
  EXPECT_TRUE(eventually([&] { return hub_node.report().clients.at(0).full_bytes >= 128; }));
  EXPECT_EQ(hub_node.report().dispenser.total.delivered, 1024U)
      << "each bit is paid for once, at both ends";
  EXPECT_TRUE(leaf.stop(5s));
  EXPECT_TRUE(hub_node.stop(5s));
  EXPECT_TRUE(hub_node.report().dispenser.total.balanced());
  EXPECT_EQ(hub_node.report().dispenser.total.reserve, 0U) << "wiped";
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
  EXPECT_EQ(again.report().clients.at(0).name, "router");
  EXPECT_EQ(again.report().pin, to_hex(decoded->pin));
}

TEST_F(NodeTest, AnInvitationThatIsReplacedIsVoid) {
  Node node(hub());
  node.start();
  const std::string first = invite(node, "router");
  const std::string second = invite(node, "router", ", \"replace\": true");
  ASSERT_TRUE(second.starts_with("qanat1.")) << second;
  EXPECT_NE(first, second);
  const auto draw = [](const std::string& join) {
    Waker waker;
    peers::HttpClient client(peers::endpoint_of(*wire::decode_join_string(join)), waker);
    const auto got = client.text("GET", "/v1/status");
    return got ? std::string() : got.error().message;
  };
  EXPECT_NE(draw(first).find("the hub no longer accepts 'router'"), std::string::npos);
  EXPECT_EQ(draw(second), "");
  EXPECT_TRUE(invite(node, "new", ", \"replace\": true").starts_with("qanat1."))
      << "there was none to replace";
}

TEST_F(NodeTest, TheAddressOfAnInvitationIsDoubtedWhereItIsAGuess) {
  EXPECT_NE(doubts_of({"127.0.0.1:7749"}).find("this machine alone"), std::string::npos);
  EXPECT_NE(doubts_of({"192.0.2.1:7749", true}).find("192.0.2.1"), std::string::npos);
  EXPECT_EQ(doubts_of({"192.0.2.1:7749"}), "");
  EXPECT_EQ(with_https_port("hub.example", "127.0.0.1:1234"), "hub.example:1234");
  EXPECT_EQ(with_https_port("hub.example:1", "127.0.0.1:1234"), "hub.example:1");
  EXPECT_EQ(with_https_port("hub.example", ""), "hub.example:7749");
  EXPECT_EQ(with_https_port("[2001:db8::1]", ""), "[2001:db8::1]:7749");
}

TEST_F(NodeTest, TermsOfTheConfigurationGoBeforeOthers) {
  NodeSettings settings = hub();
  settings.config.clients = {{"router", {2048, 0, 3}}};
  Node node(std::move(settings));
  node.start();
  // As soon as the sources have proved what they deliver.
  ASSERT_TRUE(eventually([&] { return invite(node, "router").starts_with("qanat1."); }));
  EXPECT_TRUE(invite(node, "other").starts_with("qanat1."));
  const auto clients = node.report().clients;
  ASSERT_EQ(clients.size(), 2U);
  EXPECT_EQ(clients[0].weight, 1);
  EXPECT_EQ(clients[1].weight, 3);
  EXPECT_EQ(clients[1].rate, 2048U);
  EXPECT_FALSE(clients[1].suspended);
  // At a reload too.
  Config config = hub().config;
  config.clients = {{"router", {1024, 0, 5}}};
  node.reload(config);
  EXPECT_EQ(node.report().clients[1].rate, 1024U);
  EXPECT_EQ(node.report().clients[1].weight, 5);
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
  EXPECT_EQ(node.report().clients.size(), 1U);
  EXPECT_EQ(node.report().dispenser.promised, 1000);
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

// Relays: nodes whose only source is another node.
class RelayTest : public NodeTest {
 protected:
  NodeSettings relay(const std::string& name, const std::vector<std::string>& upstreams) {
    NodeSettings settings = hub();
    settings.state_path = directory_ + "/" + name;
    settings.config.sources = upstreams;
    settings.config.reserve_bytes = 4096;
    return settings;
  }
  std::unique_ptr<Node> started(NodeSettings settings) {
    auto node = std::make_unique<Node>(std::move(settings));
    node->start();
    return node;
  }
  static entropy::Account account(const Node& node) { return node.report().dispenser.total; }
  static bool full(const Node& node) {
    return eventually([&] {
      const auto report = node.report().dispenser;
      return report.fill >= report.target / 8 * 7;
    });
  }
  // What `invite` gives, as soon as the node is there.
  static tl::expected<std::string, peers::ClientError> draw(const std::string& join,
                                                            const std::string& query) {
    const Waker waker;
    peers::HttpClient client(sources::parse_upstream(join), waker);
    return client.text("GET", "/v1/random?" + query);
  }
};

TEST_F(RelayTest, ATreeOfDepthFiveAndFanOutTwentyPassesFullEntropyOneToOne) {
  std::vector<std::unique_ptr<Node>> chain;
  chain.push_back(started(hub()));
  for (int depth = 1; depth < 5; ++depth) {
    const std::string join = invite(*chain.back(), "relay");
    chain.push_back(started(relay(fmt::format("relay-{}", depth), {join})));
  }
  std::vector<std::unique_ptr<Node>> leaves;
  for (int i = 0; i < 20; ++i) {
    const std::string join = invite(*chain.back(), fmt::format("leaf-{}", i));
    leaves.push_back(started(relay(fmt::format("leaf-{}", i), {join})));
  }
  for (const auto& node : leaves) {
    ASSERT_TRUE(full(*node));
    EXPECT_TRUE(account(*node).balanced());
  }
  // Each hop's delivered bits are the next one's credit, but for what is under way.
  for (std::size_t hop = 0; hop + 1 < chain.size(); ++hop) {
    EXPECT_TRUE(eventually([&] {
      return account(*chain[hop]).delivered == account(*chain[hop + 1]).credited;
    })) << "hop "
        << hop;
  }
  EXPECT_TRUE(eventually([&] {
    std::uint64_t credited = 0;
    for (const auto& node : leaves) credited += account(*node).credited;
    return account(*chain.back()).delivered == credited;
  }));
  // All five are behind a leaf's bytes, and it says so.
  const std::string join = invite(*leaves.front(), "reader");
  const Waker waker;
  peers::HttpClient client(sources::parse_upstream(join), waker);
  ASSERT_TRUE(client.text("GET", "/v1/random?grade=full&bytes=32"));
  EXPECT_EQ(wire::decode_path(client.path())->size(), 6U) << client.path();
}

TEST_F(RelayTest, WithADeadUplinkItServesWhatItHasAndThenDrbgOnly) {
  auto top = started(hub());
  auto node = started(relay("relay", {invite(*top, "relay")}));
  ASSERT_TRUE(full(*node));
  ASSERT_TRUE(ready(*node));
  const std::string join = invite(*node, "reader");
  top->stop(0s);
  top.reset();
  std::uint64_t served = 0;
  tl::expected<std::string, peers::ClientError> answer;
  do {
    answer = draw(join, "grade=full&bytes=256&wait=100ms");
    if (answer) served += answer->size();
  } while (answer);
  EXPECT_GE(served, 2048U);
  EXPECT_EQ(answer.error().trouble, peers::Trouble::busy);
  EXPECT_NE(answer.error().message.find("503"), std::string::npos) << answer.error().message;
  EXPECT_GT(answer.error().retry_after, 0U);
  EXPECT_EQ(draw(join, "grade=drbg&bytes=100000")->size(), 100000U);
  EXPECT_TRUE(
      eventually([&] { return node->report().sources.at(0).state == entropy::SourceState::gone; }));
  // Now that it is known, nobody is kept waiting.
  answer = draw(join, "grade=full&bytes=4096&wait=10m");
  EXPECT_NE(answer.error().message.find("no source delivers"), std::string::npos)
      << answer.error().message;
  EXPECT_TRUE(account(*node).balanced());
}

TEST_F(RelayTest, AFirstFeedDoesNotStandInADryHubsLine) {
  // The hub's DRBG is seeded, its reserve is empty, and its source gives no more.
  NodeSettings dry = hub();
  dry.config.sources = {"exec:head -c 4096 /dev/urandom; sleep 1000?h=8"};
  auto top = started(std::move(dry));
  ASSERT_TRUE(ready(*top));
  const std::string reader = invite(*top, "reader");
  while (draw(reader, "grade=full&bytes=64&wait=0")) {
  }
  NodeSettings feed;
  feed.state_path = directory_ + "/feed";
  feed.config.outlets = {"file:" + directory_ + "/seed"};
  feed.feed = FeedSettings{{invite(*top, "leaf")}, {1h, 64, {}}};
  const TimePoint began = Clock().now();
  auto node = started(std::move(feed));
  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(directory_ + "/seed"); }));
  // Not a bound on speed: in line it would take ten seconds, twice.
  EXPECT_LT(seconds(Clock().now() - began), 10);
}

TEST_F(RelayTest, ASessionOverHttpsGivesCookiesForSeedsByUdp) {
  namespace trickle = wire::trickle;
  auto node = started(hub({"https://127.0.0.1:0?access=join", "trickle://127.0.0.1:0"}));
  ASSERT_TRUE(ready(*node));
  const std::string join = invite(*node, "leaf");
  const Waker waker;
  peers::HttpClient client(sources::parse_upstream(join), waker);
  const auto session = client.text("POST", "/v1/session");
  ASSERT_TRUE(session) << session.error().message;
  const auto document = boost::json::parse(*session);
  EXPECT_EQ(document.at("cookies").as_array().size(), 8U);
  const auto bytes_of = [](const boost::json::value& text) {
    return *from_base64url(std::string(text.as_string().c_str()));
  };
  WipedArray<trickle::exporter_bytes> exporter;
  ASSERT_TRUE(client.exporter(trickle::exporter_label, exporter.view()));
  const auto nonce = bytes_of(document.at("nonce"));
  const auto decoded = wire::decode_join_string(join);
  std::set<std::string> seeds;
  for (unsigned i = 0; i < 8; ++i) {
    std::array<std::uint8_t, trickle::keys_bytes> keys;
    trickle::session_keys(exporter.view(), decoded->key.view(), nonce, i, keys);
    trickle::Request request;
    request.grade = trickle::Grade::full_or_drbg;
    request.bytes = 64;
    request.id = {static_cast<std::uint8_t>(i)};
    const auto cookie = bytes_of(document.at("cookies").at(i));
    ASSERT_EQ(cookie.size(), trickle::cookie_bytes);
    std::copy(cookie.begin(), cookie.end(), request.cookie.begin());
    const auto datagram = trickle::encode_request(request, Bytes(keys).first(trickle::key_bytes));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(document.at("port").to_number<std::uint16_t>());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    ASSERT_GT(::send(fd.get(), datagram.data(), datagram.size(), 0), 0);
    ASSERT_EQ(wait_for(fd.get(), POLLIN, waker, Duration(30s)), Wake::ready);
    std::array<std::uint8_t, 2000> in{};
    const ssize_t size = ::recv(fd.get(), in.data(), in.size(), 0);
    ASSERT_GT(size, 0);
    const auto answer = test::answer_of(Bytes(in).first(static_cast<std::size_t>(size)), request.id,
                                        Bytes(keys).last(trickle::key_bytes));
    ASSERT_TRUE(answer && !answer->refused) << i;
    EXPECT_EQ(answer->grade, trickle::Grade::full);
    EXPECT_TRUE(seeds.insert(to_hex(answer->entropy())).second);
  }
  EXPECT_TRUE(eventually([&] { return node->report().clients.at(0).full_bytes == 8 * 64; }));
  EXPECT_TRUE(account(*node).balanced());
  // The keys are kept, for the owner only.
  struct stat info {};
  ASSERT_EQ(::stat((directory_ + "/hub/trickle.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  // Without a trickle outlet there is no session.
  auto other = started(relay("other", {join}));
  const std::string reader = invite(*other, "reader");
  peers::HttpClient without(sources::parse_upstream(reader), waker);
  EXPECT_NE(without.text("POST", "/v1/session").error().message.find("404"), std::string::npos);
}

TEST_F(RelayTest, ALoopIsNamedAndCreditsNothing) {
  auto a = started(hub());
  auto b = started(relay("b", {invite(*a, "b")}));
  ASSERT_TRUE(full(*b));
  // A is told to draw from B, which draws from A.
  Config config = hub().config;
  config.sources.push_back(invite(*b, "a"));
  a->reload(config);
  // Its reserve is full: somebody has to want bytes.
  const std::string reader = invite(*a, "reader");
  ASSERT_TRUE(eventually([&] {
    (void)draw(reader, "grade=full&bytes=65536");
    const auto sources = a->report().sources;
    return sources.at(1).state == entropy::SourceState::suspect;
  }));
  const auto report = a->report();
  EXPECT_NE(report.sources.at(1).detail.find("a loop"), std::string::npos);
  EXPECT_NE(report.sources.at(1).detail.find(b->report().node_id), std::string::npos);
  EXPECT_EQ(report.dispenser.sources.at(report.sources.at(1).account).second.credited, 0U);
  EXPECT_TRUE(std::any_of(report.events.begin(), report.events.end(), [](const auto& event) {
    return is_alarm(event.kind) && event.text.find("a loop") != std::string::npos;
  }));
}

TEST_F(RelayTest, WithAQuorumTheUpstreamsAreOneSource) {
  NodeSettings other = hub();
  other.state_path = directory_ + "/other";
  auto a = started(hub());
  auto b = started(std::move(other));
  NodeSettings settings = relay("relay", {invite(*a, "relay"), invite(*b, "relay")});
  settings.config.quorum = 2;
  Config without = settings.config;
  without.quorum = 1;
  auto node = started(std::move(settings));
  ASSERT_TRUE(full(*node));
  EXPECT_EQ(node->report().sources.size(), 1U);
  for (int reloads = 0; reloads < 2; ++reloads) {
    node->reload(without);
    EXPECT_EQ(node->report().sources.size(), 1U) << "with effect from the next start";
  }
  for (const Node* upstream : {a.get(), b.get()}) {
    EXPECT_TRUE(eventually([&] { return account(*upstream).delivered > account(*node).credited; }));
  }
}

// Every byte run that clients receive, whole or cut off: any eight bytes in a row, at whatever
// offset, are seen once. (2^-64 each: a million of them meet by chance once in 10^7 runs.)
class Witness {
 public:
  void saw(std::string_view run) {
    const std::scoped_lock lock(mutex_);
    for (std::size_t at = 0; at + sizeof(std::uint64_t) <= run.size(); ++at) {
      std::uint64_t window = 0;
      std::memcpy(&window, run.data() + at, sizeof window);
      if (!seen_.insert(window).second) ++repeated_;
    }
  }
  std::size_t seen() const { return seen_.size(); }
  std::size_t repeated() const { return repeated_; }

 private:
  std::mutex mutex_;
  std::unordered_set<std::uint64_t> seen_;
  std::size_t repeated_ = 0;
};

TEST_F(RelayTest, NoByteLeavesTwiceThroughRelaysRetriesDisconnectsAndRestarts) {
  std::vector<std::unique_ptr<Node>> nodes(3);
  std::vector<std::string> joins;
  const auto settings_of = [&](std::size_t i) {
    NodeSettings of = i == 0 ? hub() : relay(fmt::format("relay-{}", i), {joins[2 * i - 1]});
    if (nodes[i]) of.config.outlets = {"https://" + nodes[i]->address()};
    return of;
  };
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    nodes[i] = started(settings_of(i));
    joins.push_back(invite(*nodes[i], "reader"));
    joins.push_back(invite(*nodes[i], "relay"));
  }
  ASSERT_TRUE(full(*nodes.back()));
  Witness witness;
  std::atomic<bool> stop{false};
  std::atomic<std::size_t> whole{0};
  std::atomic<std::size_t> cut{0};
  std::vector<std::thread> readers;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    readers.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      const Waker waker;
      while (!stop) {
        peers::HttpClient client(sources::parse_upstream(joins[2 * (random() % 3)]), waker);
        for (int i = 0; i < 5 && !stop; ++i) {
          // One in four goes away in the middle.
          const std::size_t bytes = 64 + random() % 1000;
          const std::size_t enough = random() % 4 == 0 ? random() % bytes : bytes + 1;
          std::string run;
          const auto answer = client.get(fmt::format("/v1/random?bytes={}&grade={}&wait=50ms",
                                                     bytes, random() % 4 == 0 ? "drbg" : "full"),
                                         [&](Bytes piece) {
                                           run += as_text(piece);
                                           return run.size() < enough;
                                         });
          witness.saw(run);
          ++(answer ? whole : cut);
        }
      }
    });
  }
  const auto progress = [&](std::size_t more) {
    const std::size_t begin = whole;
    return eventually([&] { return whole >= begin + more; });
  };
  for (const std::size_t i : {1U, 2U, 0U, 1U}) {
    EXPECT_TRUE(progress(50));
    NodeSettings again = settings_of(i);
    nodes[i]->stop(0s);
    EXPECT_TRUE(nodes[i]->report().dispenser.total.balanced());
    nodes[i].reset();
    nodes[i] = started(std::move(again));
    for (const auto& node : nodes) node->renew("the test");  // ends the back-offs of its relays
  }
  EXPECT_TRUE(progress(50));
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(cut, 10U);
  EXPECT_GT(witness.seen(), 50000U);
  EXPECT_EQ(witness.repeated(), 0U);
  for (const auto& node : nodes) EXPECT_TRUE(account(*node).balanced());
  // The witness would have noticed.
  Witness other;
  other.saw("0123456789abcdef");
  other.saw("..89abcdef..");
  EXPECT_EQ(other.repeated(), 1U);
  std::printf(
      "%zu runs of eight bytes in %zu whole and %zu cut transfers over three nodes and four "
      "restarts: %zu came twice\n",
      witness.seen(), whole.load(), cut.load(), witness.repeated());
}

TEST_F(NodeTest, TwoNodesDoNotShareAStateDirectory) {
  Node first(hub());
  first.start();
  Node second(hub({"http://127.0.0.1:0"}));
  EXPECT_THROW(second.start(), Failure);
}

TEST_F(NodeTest, ARunningNodeNoticesThatItsStateDirectoryIsGoneAndWritesItBackWhereThatIsRight) {
  namespace fs = std::filesystem;
  const std::string path = directory_ + "/hub";
  Node node(hub());
  node.start();
  const std::string pin = node.report().pin;
  ASSERT_TRUE(invite(node, "before").starts_with("qanat1."));
  ASSERT_TRUE(ready(node));
  // Emptied.
  for (const auto& entry : fs::directory_iterator(path)) fs::remove_all(entry.path());
  Node second(hub({"http://127.0.0.1:0"}));
  EXPECT_THROW(second.start(), Failure);
  node.check_state();
  node.check_control_socket();
  EXPECT_EQ(node.report().problem, "");
  ASSERT_TRUE(invite(node, "after").starts_with("qanat1."));
  // Deleted: not made again by itself, and nobody is invited.
  fs::remove_all(path);
  node.check_state();
  node.check_control_socket();
  EXPECT_NE(node.report().problem.find("was deleted"), std::string::npos);
  EXPECT_FALSE(fs::exists(path));
  // Another node's directory is not touched.
  fs::create_directory(path);
  ::chmod(path.c_str(), 0700);
  (void)StateDir(path).identity();
  node.check_state();
  node.check_control_socket();
  EXPECT_NE(node.report().problem.find("another server key"), std::string::npos);
  EXPECT_FALSE(fs::exists(path + "/clients.json"));
  const auto events = node.report().events;
  EXPECT_TRUE(std::any_of(events.begin(), events.end(), [](const auto& event) {
    return event.subject == "state" && is_alarm(event.kind);
  }));
  fs::remove_all(path);
  fs::create_directory(path);
  ::chmod(path.c_str(), 0700);
  node.check_state();
  node.check_control_socket();
  EXPECT_EQ(node.report().problem, "");
  EXPECT_TRUE(invite(node, "later").starts_with("qanat1."));
  // Another's socket in the place of ours, which nobody serves any more.
  fs::remove(node.state().control_socket());
  net::listen_unix(node.state().control_socket(), 0600).reset();
  node.check_control_socket();
  EXPECT_TRUE(invite(node, "latest").starts_with("qanat1."));
  EXPECT_TRUE(node.stop(5s));
}

TEST_F(NodeTest, NobodyIsInvitedWhileTheStateDirectoryIsLost) {
  namespace fs = std::filesystem;
  Node node(hub());
  node.start();
  ASSERT_TRUE(ready(node));
  ASSERT_TRUE(fs::remove(directory_ + "/hub/lock"));
  ::chmod((directory_ + "/hub").c_str(), 0777);
  EXPECT_NE(invite(node, "late").find("chmod 700"), std::string::npos) << invite(node, "late");
  EXPECT_TRUE(node.report().clients.empty());
  ::chmod((directory_ + "/hub").c_str(), 0700);
  EXPECT_TRUE(invite(node, "late").starts_with("qanat1."));
}

TEST_F(NodeTest, AStateDirectoryThatCannotBeWrittenIsSaidAndServingGoesOn) {
  NodeSettings settings = hub();
  settings.state_path = "/sys/qanat";
  Node node(std::move(settings));
  node.start();
  EXPECT_TRUE(ready(node));
  const auto events = node.report().events;
  EXPECT_TRUE(std::any_of(events.begin(), events.end(), [](const auto& event) {
    return event.subject == "state" && is_alarm(event.kind);
  }));
}

TEST_F(NodeTest, AStateDirectoryThatCannotBeIsAFailure) {
  for (const std::string path : {"/proc/qanat", "/dev/null", "/dev/null/qanat"}) {
    NodeSettings settings = hub();
    settings.state_path = path;
    Node node(std::move(settings));
    EXPECT_THROW(node.start(), Failure) << path;
  }
}

TEST_F(NodeTest, ReloadKeepsWhatStaysAndTheOldWholeWhenTheNewCannotStart) {
  Node node(hub({"http://127.0.0.1:0", "fifo:" + directory_ + "/a"}));
  node.start();
  ASSERT_TRUE(ready(node));
  const auto before = node.report();
  Config next = hub({"http://127.0.0.1:0", "fifo:" + directory_ + "/b"}).config;
  next.sources.emplace_back("kernel");
  node.reload(next);
  const auto after = node.report();
  ASSERT_EQ(after.outlets.size(), 2U);
  EXPECT_EQ(after.outlets[0].detail, before.outlets[0].detail) << "the same port: never restarted";
  EXPECT_EQ(after.outlets[1].name, "fifo:" + directory_ + "/b");
  EXPECT_EQ(after.sources.size(), 2U);
  EXPECT_GE(after.sources[0].bytes, before.sources[0].bytes);

  Config broken = next;
  broken.outlets = {"fifo:" + directory_ + "/c", "fifo:/proc/none/fifo"};
  EXPECT_THROW(node.reload(broken), Failure);
  ASSERT_EQ(node.report().outlets.size(), 2U);
  EXPECT_EQ(node.report().outlets[1].name, "fifo:" + directory_ + "/b");
  EXPECT_TRUE(node.report().dispenser.total.balanced());
}

TEST_F(NodeTest, AControlSocketThatIsMadeAnewHasTheLimitsThatHold) {
  Node node(hub({"http://127.0.0.1:0"}));
  node.start();
  ASSERT_TRUE(ready(node));
  Config next = hub({"http://127.0.0.1:0"}).config;
  next.limits.request_full_bytes = 1 << 20;
  node.reload(next);
  const std::string socket = node.state().control_socket();
  std::filesystem::remove(socket);
  node.check_control_socket();
  const Waker waker;
  peers::HttpClient client(peers::unix_endpoint(socket), waker);
  const auto answer = client.random({.bytes = 100'000, .grade = spec::Grade::full, .wait = 0s},
                                    [](Bytes) { return true; });
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().message.find("413"), std::string::npos) << answer.error().message;
}

TEST_F(NodeTest, NothingRunsWhenOneOutletCannotStart) {
  Node first(hub({"http://127.0.0.1:0"}));
  first.start();
  NodeSettings settings = hub({"fifo:" + directory_ + "/f", "http://192.0.2.7:1?access=open"});
  settings.state_path = directory_ + "/other";
  Node node(std::move(settings));
  EXPECT_THROW(node.start(), Failure);
  EXPECT_TRUE(node.report().sources.empty());
}

TEST_F(NodeTest, AFeedWithARevokedInvitationKnowsThatWaitingIsOfNoUse) {
  Node hub_node(hub());
  hub_node.start();
  ASSERT_TRUE(ready(hub_node));
  const std::string join = invite(hub_node, "leaf");
  Waker waker;
  peers::HttpClient control(peers::unix_endpoint(hub_node.state().control_socket()), waker);
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
