#include "peers/trickle_client.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <atomic>

#include <filesystem>
#include <random>
#include <set>
#include <thread>

#include "support/eventually.h"
#include "support/trickle_hub.h"
#include "wire/trickle_session.h"

namespace qanat::peers {
namespace {

using test::eventually;
using test::Samples;
using test::TrickleHub;
using wire::trickle::Grade;

class TrickleClientTest : public testing::Test {
 protected:
  TrickleClientTest() { std::filesystem::create_directories(directory_); }
  ~TrickleClientTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<TrickleClient> client(const std::string& directory = "") {
    return std::make_unique<TrickleClient>(endpoint_, directory, waker_, [this](MutableBytes out) {
      for (auto& byte : out) byte = static_cast<std::uint8_t>(random_());
    });
  }
  // One that has had its session.
  std::unique_ptr<TrickleClient> introduced(const std::string& directory = "") {
    auto made = client(directory);
    made->refill(https_);
    https_.disconnect();
    return made;
  }
  // Hex of 64 bytes; empty when they did not come.
  static std::string ask(TrickleClient& who, Grade grade = Grade::drbg) {
    SecretBytes out(64);
    const auto got = who.ask(out.view(), grade);
    return got ? to_hex(out.view()) : "";
  }

  const std::string directory_ =
      testing::TempDir() + "/qanat-trickle-" + std::to_string(::getpid());
  TrickleHub hub_;
  Endpoint endpoint_ = hub_.endpoint();
  Waker waker_;
  HttpClient https_{hub_.endpoint(), waker_};
  std::mt19937 random_{3};
};

TEST_F(TrickleClientTest, ASessionAndThenADatagramThereAndOneBack) {
  const auto who = client();
  SecretBytes out(64);
  EXPECT_EQ(who->ask(out.view(), Grade::drbg).error().trouble, Trouble::unreachable);
  who->refill(https_);
  EXPECT_EQ(who->counters().sessions, 1U);
  EXPECT_EQ(who->server_key(), hub_.pin());
  std::set<std::string> seen;
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(seen.insert(ask(*who)).second) << i;
  EXPECT_EQ(who->counters().sent, 30U) << "no datagram twice, no session again";
  EXPECT_EQ(who->counters().sessions, 1U);
  hub_.credit(64);
  EXPECT_EQ(who->ask(out.view(), Grade::full_or_drbg), Grade::full);
  EXPECT_EQ(who->ask(out.view(), Grade::full_or_drbg), Grade::drbg);
  EXPECT_EQ(who->ask(out.view(), Grade::full).error().trouble, Trouble::unreachable)
      << "grade full is worth HTTPS and its line";
}

TEST_F(TrickleClientTest, TheNextProcessNeedsNoSession) {
  EXPECT_NE(ask(*introduced(directory_)), "");
  for (int i = 0; i < 20; ++i) {
    const auto next = client(directory_);
    EXPECT_NE(ask(*next), "");
    EXPECT_EQ(next->counters().sent, 1U);
  }
}

TEST_F(TrickleClientTest, OtherCredentialsHaveOtherCookies) {
  (void)introduced(directory_);
  endpoint_.client_name = "other";
  EXPECT_EQ(ask(*client(directory_)), "");
  endpoint_ = hub_.endpoint();
  endpoint_.shared_key.view()[0] ^= 1;
  EXPECT_EQ(ask(*client(directory_)), "");
  endpoint_ = hub_.endpoint();
  EXPECT_NE(ask(*client(directory_)), "");
}

TEST_F(TrickleClientTest, LostDatagramsAreSentAgain) {
  const auto who = introduced();
  int asked = 0;
  hub_.relay->to_hub([&](Samples datagram) {
    return asked++ % 2 == 0 ? std::vector<Samples>() : std::vector<Samples>{std::move(datagram)};
  });
  for (int i = 0; i < 3; ++i) EXPECT_NE(ask(*who), "");
  EXPECT_EQ(who->counters().sent, 6U);
  EXPECT_EQ(who->counters().answered, 3U);
}

TEST_F(TrickleClientTest, RepeatedAndSpoiledDatagramsAreCountedAndHarmNobody) {
  const auto who = introduced();
  const auto spoil = [](Samples datagram) {
    std::vector<Samples> out;
    Samples cut = datagram;
    cut.resize(cut.size() / 2);
    out.push_back(cut);
    for (std::size_t i = 0; i < datagram.size(); i += 53) {
      out.push_back(datagram);
      out.back()[i] ^= 4;
    }
    out.push_back(datagram);
    out.push_back(std::move(datagram));
    return out;
  };
  hub_.relay->to_client(spoil);
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(seen.insert(ask(*who)).second);
  EXPECT_GT(who->counters().strays, 20U * 5);
  EXPECT_EQ(who->counters().answered, 20U);
  // Towards the hub: what is repeated costs the hub an answer, what is spoiled none.
  hub_.relay->to_client([](Samples datagram) { return std::vector<Samples>{std::move(datagram)}; });
  hub_.relay->to_hub(spoil);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(seen.insert(ask(*who)).second);
  EXPECT_TRUE(eventually([&] { return hub_.trickle_report().deliveries >= 20 + 2 * 20; }));
}

TEST_F(TrickleClientTest, WhereNoDatagramsPassHttpsDoesAndTheyAreLeftAlone) {
  const auto who = introduced(directory_);
  hub_.relay->to_hub([](Samples) { return std::vector<Samples>(); });
  EXPECT_EQ(ask(*who), "");
  EXPECT_EQ(who->counters().sent, 5U);
  EXPECT_EQ(who->counters().silent, 1U);
  // While HTTPS does not pass either, the cookies are kept: the hub is away, and comes back.
  hub_.relay->to_hub([](Samples datagram) { return std::vector<Samples>{std::move(datagram)}; });
  EXPECT_NE(ask(*who), "");
  hub_.relay->to_hub([](Samples) { return std::vector<Samples>(); });
  EXPECT_EQ(ask(*who), "");
  who->refill(https_);
  EXPECT_EQ(who->counters().sessions, 1U) << "HTTPS passed, datagrams do not: no new session";
  EXPECT_EQ(ask(*who), "");
  EXPECT_EQ(who->counters().sent, 5U + 1 + 5) << "and no more tries";
  who->refill(https_);
  EXPECT_EQ(ask(*client(directory_)), "") << "nor by the next process";
  EXPECT_EQ(hub_.relay->asked().size(), 11U);
}

TEST_F(TrickleClientTest, ACopyHasItsFirstSeedInOneRoundTripAndThenASessionOfItsOwn) {
  const auto who = introduced(directory_);
  EXPECT_NE(ask(*who), "");
  who->renew();
  EXPECT_TRUE(who->wants_session());
  EXPECT_NE(ask(*who), "") << "at once, by a cookie that the other copy has too";
  EXPECT_EQ(who->counters().sessions, 1U);
  who->refill(https_);
  EXPECT_EQ(who->counters().sessions, 2U) << "though there were cookies enough";
  EXPECT_FALSE(who->wants_session());
  who->refill(https_);
  EXPECT_EQ(who->counters().sessions, 2U);
  EXPECT_NE(ask(*who), "");
}

TEST_F(TrickleClientTest, AHubThatIsAwayCostsNoCookies) {
  const auto who = introduced(directory_);
  hub_.leave();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(*who), "") << "refused by the network: at once";
  hub_.come_back();
  EXPECT_NE(ask(*who), "");
  EXPECT_EQ(who->counters().sessions, 1U);
}

TEST_F(TrickleClientTest, ARevokedClientIsToldSoOverHttps) {
  const auto who = introduced();
  EXPECT_NE(ask(*who), "");
  hub_.clients.revoke("leaf");
  EXPECT_TRUE(eventually([&] { return ask(*who).empty(); }));
  EXPECT_EQ(who->counters().refused, 1U);
  const auto sent = who->counters().sent.load();
  EXPECT_EQ(ask(*who), "");
  EXPECT_EQ(who->counters().sent, sent) << "all its cookies went with the session";
  who->refill(https_);
  EXPECT_EQ(who->counters().sessions, 1U);
}

TEST_F(TrickleClientTest, AHubWithoutTrickleIsAskedForNoSessionAgain) {
  hub_.trickle_port = 0;
  const auto who = introduced();
  EXPECT_EQ(who->counters().sessions, 0U);
  hub_.trickle_port = hub_.relay->port();
  who->refill(https_);
  EXPECT_EQ(who->counters().sessions, 0U) << "not within the hour";
  EXPECT_EQ(ask(*who), "");
}

// A hub of another make, on loopback: what it says to each question.
class OtherHub {
 public:
  using Say = std::function<Samples(const wire::trickle::Request&, Bytes s2c)>;

  // The client's cookies are from here on those of this hub.
  OtherHub(const std::string& directory, const TrickleHub& hub, Say say) : say_(std::move(say)) {
    fd_ = UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) std::abort();
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&at), &size);
    CookieJar::Server server;
    std::memcpy(&server.address, &at, sizeof at);
    server.key = hub.pin();
    server.lifetime = 3600;
    std::vector<wire::trickle::KeyedCookie> cookies;
    for (std::uint8_t i = 0; i < 8; ++i) {
      wire::trickle::KeyedCookie cookie{{i}, SecretBytes(Bytes(keys_))};
      cookies.push_back(std::move(cookie));
    }
    jar_ = std::filesystem::directory_iterator(directory)->path();
    CookieJar(jar_).restart(server, cookies, now());
    thread_ = std::thread([this] { run(); });
  }
  ~OtherHub() {
    waker_.wake();
    thread_.join();
  }
  std::size_t cookies() const { return CookieJar(jar_).count(now()); }

 private:
  static UnixTime now() { return static_cast<UnixTime>(std::time(nullptr)); }
  void run() {
    Samples in(2000);
    while (wait_for(fd_.get(), POLLIN, waker_, std::nullopt) == Wake::ready) {
      sockaddr_in client{};
      socklen_t size = sizeof client;
      const ssize_t got = ::recvfrom(fd_.get(), in.data(), in.size(), 0,
                                     reinterpret_cast<sockaddr*>(&client), &size);
      const auto request =
          wire::trickle::decode_request(Bytes(in).first(static_cast<std::size_t>(got)));
      if (!request) continue;
      const Samples out = say_(*request, Bytes(keys_).last(wire::trickle::key_bytes));
      (void)::sendto(fd_.get(), out.data(), out.size(), 0,
                     reinterpret_cast<const sockaddr*>(&client), size);
    }
  }

  const Samples keys_ = test::uniform(wire::trickle::keys_bytes, 5);
  const Say say_;
  std::string jar_;
  UniqueFd fd_;
  const Waker waker_;
  std::thread thread_;
};

Samples refusal(const wire::trickle::Request& request, Bytes s2c, unsigned reason, unsigned wait) {
  Samples out(wire::trickle::refusal_bytes);
  wire::trickle::encode_refusal(request, static_cast<wire::trickle::Reason>(reason),
                                static_cast<std::uint16_t>(wait), s2c, {}, out);
  return out;
}

TEST_F(TrickleClientTest, RefusalsAreObeyedWithinReasonAndCostNoCookie) {
  (void)introduced(directory_);
  std::atomic<unsigned> reason{0};
  std::atomic<unsigned> wait{0};
  const OtherHub other(directory_, hub_, [&](const wire::trickle::Request& request, Bytes s2c) {
    return refusal(request, s2c, reason, wait);
  });
  const auto who = client(directory_);
  SecretBytes out(64);
  for (const unsigned busy : {1U, 3U}) {
    reason = busy;
    for (const auto& [said, meant] : {std::pair{0U, 1U}, {7U, 7U}, {65535U, 3600U}}) {
      wait = said;
      const auto got = who->ask(out.view(), Grade::full_or_drbg);
      ASSERT_FALSE(got);
      EXPECT_EQ(got.error().trouble, Trouble::busy) << "HTTPS has the same to say";
      EXPECT_EQ(got.error().retry_after, meant);
    }
  }
  // No full-entropy bytes; and what only a later version knows: over HTTPS.
  for (const unsigned elsewhere : {2U, 5U, 255U}) {
    reason = elsewhere;
    const auto got = who->ask(out.view(), Grade::full);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().trouble, Trouble::unreachable) << elsewhere;
  }
  EXPECT_EQ(other.cookies(), 8U);
  EXPECT_EQ(who->counters().sent, 9U) << "each was an answer";
  reason = 4;
  EXPECT_EQ(who->ask(out.view(), Grade::full).error().trouble, Trouble::unreachable);
  EXPECT_EQ(other.cookies(), 0U);
}

TEST_F(TrickleClientTest, FewerBytesThanAskedForAreFetchedOverHttps) {
  (void)introduced(directory_);
  const OtherHub other(directory_, hub_, [](const wire::trickle::Request& request, Bytes s2c) {
    Samples out(wire::trickle::most_datagram);
    const std::vector<wire::trickle::Cookie> cookies(1);
    out.resize(wire::trickle::encode_reply(request, Grade::drbg, Samples(request.bytes - 1, 1),
                                           cookies, Samples(wire::trickle::fresh_bytes), s2c, {},
                                           out));
    return out;
  });
  const auto who = client(directory_);
  SecretBytes out(64);
  const auto got = who->ask(out.view(), Grade::drbg);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().trouble, Trouble::unreachable) << "ask over HTTPS";
  EXPECT_EQ(who->counters().sent, 1U);
  EXPECT_EQ(other.cookies(), 1U) << "it was an answer all the same: its cookies replace the others";
}

// The worst copy: of the whole process, with the generator from which ids come.
TEST_F(TrickleClientTest, AForkedCopyPartsAfterOneReply) {
  const auto who = introduced();
  EXPECT_NE(ask(*who), "");
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::size_t before = hub_.relay->asked().size();
  const pid_t child = ::fork();
  if (child == 0) {
    // Two seeds, as text, and nothing of the test's own ends here.
    const std::string seeds = ask(*who) + ask(*who);
    const bool written =
        ::write(ends[1], seeds.data(), seeds.size()) == static_cast<ssize_t>(seeds.size());
    ::_exit(written ? 0 : 1);
  }
  ASSERT_GT(child, 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  std::string theirs(256, ' ');
  ASSERT_EQ(::read(ends[0], theirs.data(), theirs.size()), 256);
  ::close(ends[0]);
  ::close(ends[1]);
  const std::string first = ask(*who);
  const std::string second = ask(*who);
  const auto asked = hub_.relay->asked();
  ASSERT_EQ(asked.size(), before + 4);
  EXPECT_EQ(asked[before], asked[before + 2]) << "they asked the same, to the bit";
  EXPECT_NE(theirs.substr(0, 128), first) << "and got something else";
  EXPECT_NE(theirs.substr(128), second);
  const auto cookie_of = [](const Samples& datagram) {
    return to_hex(wire::trickle::decode_request(datagram)->cookie);
  };
  EXPECT_NE(cookie_of(asked[before + 1]), cookie_of(asked[before + 3]))
      << "from then on they have cookies, and so keys, of their own";
}

TEST_F(TrickleClientTest, CopiesOfAStateDirectoryShareNothingAfterOneReply) {
  std::filesystem::create_directories(directory_ + "/a");
  (void)introduced(directory_ + "/a");
  std::filesystem::copy(directory_ + "/a", directory_ + "/b");
  random_.seed(1);
  const std::string here = ask(*client(directory_ + "/a"));
  random_.seed(1);
  const std::string there = ask(*client(directory_ + "/b"));
  ASSERT_NE(here, "");
  EXPECT_NE(here, there);
  const auto asked = hub_.relay->asked();
  EXPECT_EQ(asked[asked.size() - 1], asked[asked.size() - 2]) << "they asked the same";
  // The files have no cookie in common any more.
  const auto cookies_in = [this](const char* name) {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ + name)) {
      CookieJar jar(entry.path());
      while (const auto held = jar.take(static_cast<UnixTime>(std::time(nullptr)))) {
        found.insert(to_hex(held->cookie));
        found.insert(to_hex(held->keys.view()));
      }
    }
    return found;
  };
  std::set<std::string> all = cookies_in("/a");
  const std::size_t ours = all.size();
  EXPECT_EQ(ours, 2U * 6) << "six cookies and their keys, all of them new";
  all.merge(cookies_in("/b"));
  EXPECT_EQ(all.size(), 2 * ours);
}

}  // namespace
}  // namespace qanat::peers
