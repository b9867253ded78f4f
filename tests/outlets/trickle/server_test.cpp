#include "outlets/trickle/server.h"
#include "outlets/trickle/cookie_hours.h"

#include <gtest/gtest.h>

#include <barrier>
#include <set>
#include <thread>

#include "crypto/aead.h"
#include "outlets/trickle/cookie_keeper.h"
#include "support/test_hub.h"
#include "support/trickle_answer.h"

namespace qanat::outlets {
namespace {

namespace trickle = wire::trickle;
using test::Samples;
using test::TestHub;
using trickle::Reason;
using namespace std::chrono_literals;

// A client's cookie with its keys, as a session or a reply gives them.
struct Held {
  trickle::Cookie cookie{};
  Samples keys;

  Bytes c2s() const { return Bytes(keys).first(trickle::key_bytes); }
  Bytes s2c() const { return Bytes(keys).last(trickle::key_bytes); }
};

// Stands still, or takes a while for each reading.
class SteppingClock final : public Clock {
 public:
  TimePoint now() const override { return now_ += step; }
  Duration step{};

 private:
  mutable TimePoint now_ = std::chrono::steady_clock::now();
};

class TrickleServerTest : public testing::Test {
 protected:
  TrickleServerTest() {
    client_ = *hub_.clients.add("router", SecretBytes(32), {});
    held_ = issue("router");
  }
  static constexpr std::uint32_t present = start / hour;
  // What a session of another hub gives, with which this one shares its cookie key, or of this one
  // before it was started again: to an invited client; without a key, to one with a certificate.
  Held issue_elsewhere(const std::string& name, const SecretBytes& shared_key = SecretBytes(32),
                       std::uint32_t session = present) {
    return issue(name, shared_key, session, false);
  }
  // What a session gives here.
  Held issue(const std::string& name, const SecretBytes& shared_key = SecretBytes(32),
             std::uint32_t session = present, bool here = true) {
    Held held;
    held.keys.resize(trickle::keys_bytes);
    crypto::random_bytes(held.keys);
    trickle::CookieContent content;
    content.client_class =
        shared_key.empty() ? trickle::ClientClass::certified : trickle::ClientClass::invited;
    content.session = session % (1U << 24);
    content.client = trickle::client_id(name, shared_key.view());
    std::copy(held.keys.begin(), held.keys.end(), content.keys.data());
    trickle::Nonce nonce;
    crypto::random_bytes(nonce);
    const auto own = hub_.cookies.copy();
    const CookieKeys& keys = own.keys;
    if (here) std::copy(own.mark.begin(), own.mark.end(), nonce.begin());
    held.cookie = trickle::seal_cookie(keys.current(), keys.generation(), nonce, content);
    return held;
  }
  std::vector<std::uint8_t> question(const Held& held, trickle::Grade grade, std::size_t bytes = 64,
                                     unsigned cookies = 1) {
    crypto::random_bytes(id_);
    trickle::Request request{
        .grade = grade, .cookies = cookies, .bytes = bytes, .id = id_, .cookie = held.cookie};
    return trickle::encode_request(request, held.c2s());
  }
  // The server's datagram, as if sent; empty when it says nothing.
  Samples exchange(const std::vector<std::uint8_t>& datagram) {
    Samples out(trickle::most_datagram);
    auto reply = server_.answer(datagram, peer_, now_, out);
    EXPECT_LE(reply.bytes, datagram.size()) << "no amplification";
    out.resize(reply.bytes);
    server_.sent(std::move(reply), now_);
    return out;
  }
  test::AnswerPtr ask(const Held& held, trickle::Grade grade, std::size_t bytes = 64,
                      unsigned cookies = 1) {
    return test::answer_of(exchange(question(held, grade, bytes, cookies)), id_, held.s2c());
  }

  const serve::OutletServices& begun() {
    hub_.cookies.begin(start);
    return hub_.services();
  }

  SteppingClock clock_;
  TestHub hub_{2, clock_};
  serve::Limits limits_;
  share::Visitors visitors_{hub_.dispenser, "trickle", {}};
  TrickleServer server_{begun(), hub_.cookies, limits_, visitors_, 0};
  std::shared_ptr<share::Client> client_;
  Held held_;
  trickle::Id id_{};
  net::Peer peer_{42, false};
  TimePoint now_ = Clock().now();
};

TEST_F(TrickleServerTest, GivesBothGradesAndPaysForFull) {
  hub_.seed_drbg();
  hub_.credit(64);
  const auto full = ask(held_, trickle::Grade::full);
  ASSERT_TRUE(full && !full->refused);
  EXPECT_EQ(full->grade, trickle::Grade::full);
  EXPECT_EQ(hub_.dispenser.report().total.delivered, 512U);
  const auto either = ask(held_, trickle::Grade::full_or_drbg);
  ASSERT_TRUE(either && !either->refused);
  EXPECT_EQ(either->grade, trickle::Grade::drbg) << "there is no more";
  EXPECT_EQ(ask(held_, trickle::Grade::full)->refused, Reason::dry);
  EXPECT_EQ(client_->full_bytes, 64U);
  EXPECT_EQ(client_->drbg_bytes, 64U);
  EXPECT_EQ(client_->refused, 1U);
  EXPECT_EQ(hub_.dispenser.report().waiting_requests, 0U) << "it leaves nobody in line";
  EXPECT_TRUE(hub_.dispenser.report().total.balanced());
}

TEST_F(TrickleServerTest, AReplyThatCannotBeSentIsDiscarded) {
  hub_.credit(64);
  {
    Samples out(trickle::most_datagram);
    const auto reply = server_.answer(question(held_, trickle::Grade::full), peer_, now_, out);
    EXPECT_GT(reply.bytes, 0U);
  }
  EXPECT_EQ(hub_.dispenser.report().total.discarded, 512U);
}

TEST_F(TrickleServerTest, FreshCookiesAreGoodForTheNextQuestion) {
  hub_.seed_drbg();
  Held held = held_;
  std::set<std::string> cookies;
  for (int i = 0; i < 20; ++i) {
    const auto answer = ask(held, trickle::Grade::drbg, 32, 3);
    ASSERT_TRUE(answer && answer->cookies == 3) << i;
    for (unsigned c = 0; c < 3; ++c) {
      EXPECT_TRUE(cookies.insert(to_hex(answer->cookie(c))).second);
    }
    Samples next(trickle::keys_bytes);
    trickle::next_keys(held.keys, answer->fresh(2), next);
    held = {answer->cookie(2), next};
  }
}

TEST_F(TrickleServerTest, AReplayedQuestionGetsOtherBytes) {
  hub_.seed_drbg();
  const auto datagram = question(held_, trickle::Grade::drbg);
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const auto answer = test::answer_of(exchange(datagram), id_, held_.s2c());
    ASSERT_TRUE(answer);
    EXPECT_TRUE(seen.insert(to_hex(answer->entropy())).second);
    EXPECT_TRUE(seen.insert(to_hex(answer->cookie(0))).second);
  }
}

TEST_F(TrickleServerTest, FullIsGivenOnceToAQuestionHoweverOftenItComes) {
  hub_.seed_drbg();
  hub_.credit(100 * 64);
  for (const trickle::Grade grade : {trickle::Grade::full_or_drbg, trickle::Grade::full}) {
    const auto delivered = hub_.dispenser.report().total.delivered;
    const auto before = server_.counters().replayed.load();
    const auto datagram = question(held_, grade);
    EXPECT_EQ(test::answer_of(exchange(datagram), id_, held_.s2c())->grade, trickle::Grade::full);
    for (int i = 0; i < 15; ++i) {
      const auto answer = test::answer_of(exchange(datagram), id_, held_.s2c());
      ASSERT_TRUE(answer);
      if (grade == trickle::Grade::full) {
        EXPECT_EQ(answer->refused, Reason::dry);
      } else {
        EXPECT_FALSE(answer->refused) << "a copy of the machine that asked, perhaps";
        EXPECT_EQ(answer->grade, trickle::Grade::drbg);
      }
    }
    EXPECT_EQ(hub_.dispenser.report().total.delivered - delivered, 8U * 64);
    EXPECT_EQ(server_.counters().replayed - before, 15U);
  }
  EXPECT_EQ(ask(held_, trickle::Grade::full)->grade, trickle::Grade::full)
      << "another question is another";
}

TEST_F(TrickleServerTest, AReplayIsKnownAsLongAsItsCookieOpens) {
  hub_.seed_drbg();
  hub_.credit(10 * 64);
  const auto datagram = question(held_, trickle::Grade::full);
  EXPECT_EQ(test::answer_of(exchange(datagram), id_, held_.s2c())->grade, trickle::Grade::full);
  server_.refresh(start + hour);
  EXPECT_TRUE(test::answer_of(exchange(datagram), id_, held_.s2c())->refused);
  EXPECT_EQ(ask(held_, trickle::Grade::full)->grade, trickle::Grade::full)
      << "the cookie itself is still good";
  server_.refresh(start + 2 * hour);
  EXPECT_TRUE(exchange(datagram).empty());
}

TEST_F(TrickleServerTest, ACookieOfAnEarlierRunIsGoodForFullOnce) {
  hub_.seed_drbg();
  hub_.credit(10 * 64);
  const auto datagram = question(held_, trickle::Grade::full_or_drbg);
  EXPECT_EQ(test::answer_of(exchange(datagram), id_, held_.s2c())->grade, trickle::Grade::full);
  // The next run has the same cookie key, from the file, and knows of no question.
  TestHub again;
  again.cookie_text = hub_.cookie_text;
  again.cookies.begin(start);
  again.seed_drbg();
  again.credit(10 * 64);
  (void)*again.clients.add("router", SecretBytes(32), {});
  share::Visitors visitors(again.dispenser, "trickle", {});
  TrickleServer server(again.services(), again.cookies, limits_, visitors, 0);
  const auto delivered = again.dispenser.report().total.delivered;
  for (int i = 0; i < 5; ++i) {
    Samples out(trickle::most_datagram);
    auto reply = server.answer(datagram, peer_, now_, out);
    out.resize(reply.bytes);
    server.sent(std::move(reply), now_);
    EXPECT_EQ(test::answer_of(out, id_, held_.s2c())->grade,
              i == 0 ? trickle::Grade::full : trickle::Grade::drbg);
  }
  EXPECT_EQ(again.dispenser.report().total.delivered, delivered + 8 * 64);
  // So does what this run sealed before its machine was copied.
  hub_.cookies.renew();
  server_.refresh(start);
  EXPECT_EQ(ask(held_, trickle::Grade::full_or_drbg)->grade, trickle::Grade::full);
  EXPECT_EQ(ask(held_, trickle::Grade::full_or_drbg)->grade, trickle::Grade::drbg)
      << "another question, one cookie";
  EXPECT_EQ(ask(issue("router"), trickle::Grade::full_or_drbg)->grade, trickle::Grade::full);
}

TEST_F(TrickleServerTest, OfManyThreadsWithOneQuestionOneGivesFull) {
  hub_.seed_drbg();
  hub_.credit(300 * 64);
  constexpr int rounds = 100;
  std::vector<std::vector<std::uint8_t>> datagrams;
  std::vector<trickle::Id> ids;
  for (int i = 0; i < rounds; ++i) {
    datagrams.push_back(question(held_, trickle::Grade::full_or_drbg));
    ids.push_back(id_);
  }
  std::atomic<int> full{0};
  std::barrier together(2);
  const auto thread = [&](std::size_t slot) {
    TrickleServer server(hub_.services(), hub_.cookies, limits_, visitors_, slot);
    Samples out(trickle::most_datagram);
    for (const auto& datagram : datagrams) {
      together.arrive_and_wait();
      auto reply = server.answer(datagram, peer_, now_, out);
      full += reply.delivery.grade() == spec::Grade::full ? 1 : 0;
      server.sent(std::move(reply), now_);
    }
  };
  std::thread other(thread, 1);
  thread(0);
  other.join();
  EXPECT_EQ(full, rounds);
  EXPECT_EQ(hub_.dispenser.report().waiting_requests, 0U);
  EXPECT_TRUE(hub_.dispenser.report().total.balanced());
}

TEST_F(TrickleServerTest, MoreThanOneRequestMayHaveIsRefusedAndNotThrown) {
  hub_.seed_drbg();
  share::Dispenser small(1024, 256);
  serve::OutletServices services{.dispenser = small,
                                 .drbg = hub_.services().drbg,
                                 .clients = hub_.clients,
                                 .key = hub_.key,
                                 .blocks = hub_.services().blocks,
                                 .threads = hub_.services().threads,
                                 .clock = hub_.services().clock,
                                 .on_event = {},
                                 .on_fed = {}};
  share::Visitors visitors(small, "trickle", {});
  TrickleServer server(services, hub_.cookies, limits_, visitors, 0);
  const Held stranger = issue("elsewhere", SecretBytes());
  small.credit(small.open_source("test"), Samples(1024, 1), small.epoch(), now_);
  for (const std::size_t bytes : {256UL, 257UL, 512UL, 1004UL}) {
    for (const trickle::Grade grade : {trickle::Grade::full, trickle::Grade::full_or_drbg}) {
      const auto datagram = question(stranger, grade, bytes);
      Samples out(trickle::most_datagram);
      auto reply = server.answer(datagram, peer_, now_, out);
      out.resize(reply.bytes);
      const auto answer = test::answer_of(out, id_, stranger.s2c());
      ASSERT_TRUE(answer) << bytes;
      if (bytes <= 256) {
        EXPECT_EQ(answer->grade, trickle::Grade::full);
      } else if (grade == trickle::Grade::full) {
        EXPECT_EQ(answer->refused, Reason::dry) << bytes;
      } else {
        EXPECT_EQ(answer->grade, trickle::Grade::drbg) << bytes;
        EXPECT_EQ(answer->bytes, bytes);
      }
    }
  }
}

TEST_F(TrickleServerTest, WithoutAMacThereIsNoAnswer) {
  hub_.seed_drbg();
  auto datagram = question(held_, trickle::Grade::drbg);
  datagram[trickle::header_bytes + trickle::id_bytes] ^= 1;
  EXPECT_TRUE(exchange(datagram).empty());
  datagram = question(held_, trickle::Grade::drbg);
  datagram[60] ^= 1;
  EXPECT_TRUE(exchange(datagram).empty());
  EXPECT_TRUE(exchange(Samples(300, 0)).empty());
  EXPECT_TRUE(exchange(Samples(10, 0)).empty());
  const TrickleCounters& counters = server_.counters();
  EXPECT_EQ(counters.mac, 1U);
  EXPECT_EQ(counters.cookie, 1U);
  EXPECT_EQ(counters.dropped[static_cast<std::size_t>(trickle::Drop::malformed)], 1U);
  EXPECT_EQ(counters.dropped[static_cast<std::size_t>(trickle::Drop::too_short)], 1U);
  EXPECT_EQ(counters.deliveries, 0U);
}

TEST_F(TrickleServerTest, CookiesLastTheirHourAndTheNext) {
  hub_.seed_drbg();
  server_.refresh(start + hour);
  const auto answer = ask(held_, trickle::Grade::drbg);
  ASSERT_TRUE(answer && !answer->refused);
  server_.refresh(start + 2 * hour);
  EXPECT_TRUE(exchange(question(held_, trickle::Grade::drbg)).empty());
  EXPECT_EQ(server_.counters().generation, 1U);
  // The one that came with the answer is of a later hour.
  Samples next(trickle::keys_bytes);
  trickle::next_keys(held_.keys, answer->fresh(0), next);
  EXPECT_TRUE(ask({answer->cookie(0), next}, trickle::Grade::drbg));
}

TEST_F(TrickleServerTest, RefusalsSayWhyAndAreSealed) {
  EXPECT_EQ(ask(held_, trickle::Grade::drbg)->refused, Reason::unseeded);
  hub_.seed_drbg();
  EXPECT_EQ(ask(issue("nobody"), trickle::Grade::drbg)->refused, Reason::session);
  limits_.client_drbg = {1, 3 * limits_.drbg_request};
  server_.set_limits(limits_);
  int answered = 0;
  test::AnswerPtr last;
  do {
    last = ask(held_, trickle::Grade::drbg);
    ++answered;
  } while (last && !last->refused && answered < 100);
  EXPECT_NEAR(answered, 4, 1);
  EXPECT_EQ(last->refused, Reason::rate);
  EXPECT_GT(last->wait_seconds, 0U);
  hub_.clients.revoke("router");
  server_.refresh(start);
  EXPECT_EQ(ask(held_, trickle::Grade::drbg)->refused, Reason::session);
  EXPECT_EQ(server_.counters().refused_for(Reason::session), 2U);
}

TEST_F(TrickleServerTest, ACertificateOfAnotherHubIsServedFromItsCookieAlone) {
  hub_.seed_drbg();
  hub_.credit(64);
  Held other = issue_elsewhere("elsewhere", SecretBytes());
  auto answer = ask(other, trickle::Grade::full_or_drbg);
  ASSERT_TRUE(answer && !answer->refused);
  EXPECT_EQ(answer->grade, trickle::Grade::full);
  hub_.credit(64);
  Samples next(trickle::keys_bytes);
  trickle::next_keys(other.keys, answer->fresh(0), next);
  other = {answer->cookie(0), next};
  answer = ask(other, trickle::Grade::full_or_drbg);
  ASSERT_TRUE(answer && !answer->refused);
  EXPECT_EQ(answer->grade, trickle::Grade::full) << "with the cookie that it got here";
  EXPECT_EQ(ask(other, trickle::Grade::full)->refused, Reason::dry);
  EXPECT_EQ(hub_.clients.list().size(), 1U) << "and nothing is kept of it";
  limits_.client_drbg = {1, limits_.drbg_request};
  server_.set_limits(limits_);
  EXPECT_FALSE(ask(other, trickle::Grade::drbg)->refused);
  EXPECT_EQ(ask(other, trickle::Grade::drbg)->refused, Reason::rate)
      << "it has a bucket all the same";
  EXPECT_FALSE(ask(issue("another", SecretBytes()), trickle::Grade::drbg)->refused) << "of its own";
  EXPECT_TRUE(hub_.clients.revoke("elsewhere"));
  EXPECT_EQ(ask(other, trickle::Grade::drbg)->refused, Reason::session);
}

TEST_F(TrickleServerTest, ACertificateThatTheBookHasForgottenIsRevokedAllTheSame) {
  hub_.seed_drbg();
  const Held held = issue("db", SecretBytes());
  (void)hub_.clients.find_or_add_certified("db", 1000);
  EXPECT_FALSE(ask(held, trickle::Grade::drbg)->refused);
  hub_.clients.find("db")->last_seen = 1000;
  for (std::size_t i = 0; i <= share::ClientBook::most_certified; ++i) {
    (void)hub_.clients.find_or_add_certified("vm-" + std::to_string(i), 5000);
  }
  ASSERT_EQ(hub_.clients.find("db"), nullptr) << "the server holds it still";
  EXPECT_FALSE(ask(held, trickle::Grade::drbg)->refused);
  EXPECT_TRUE(hub_.clients.revoke("db"));
  EXPECT_EQ(ask(held, trickle::Grade::drbg)->refused, Reason::session);
}

TEST_F(TrickleServerTest, ACertificateDoesNotSpeakForWhoWasInvited) {
  hub_.seed_drbg();
  EXPECT_EQ(ask(issue("router", SecretBytes()), trickle::Grade::drbg)->refused, Reason::session);
}

TEST_F(TrickleServerTest, TheBookIsNotCopiedAllTheTimeForOneThatHasGone) {
  hub_.seed_drbg();
  const Held gone = issue("gone", SecretBytes(32));
  clock_.step = 1ms;  // of a copy, as of a large book
  EXPECT_EQ(ask(gone, trickle::Grade::drbg)->refused, Reason::session);
  EXPECT_TRUE(hub_.clients.add("other", SecretBytes(32), {}));
  EXPECT_EQ(ask(gone, trickle::Grade::drbg)->refused, Reason::session) << "copied for it";
  EXPECT_TRUE(hub_.clients.add("new", SecretBytes(32), {}));
  const Held held = issue("new");
  EXPECT_EQ(ask(held, trickle::Grade::drbg)->refused, Reason::session) << "not copied again yet";
  clock_.step = 50ms;
  EXPECT_FALSE(ask(held, trickle::Grade::drbg)->refused) << "but soon";
}

TEST_F(TrickleServerTest, WhoIsInvitedAgainIsSomebodyElse) {
  hub_.seed_drbg();
  hub_.clients.revoke("router");
  hub_.clients.allow("router");
  SecretBytes another(32);
  another.view()[0] = 1;
  (void)*hub_.clients.add("router", SecretBytes(another.view()), {});
  server_.refresh(start);
  EXPECT_EQ(ask(held_, trickle::Grade::drbg)->refused, Reason::session)
      << "cookies of the old invitation";
  EXPECT_FALSE(ask(issue("router", another), trickle::Grade::drbg)->refused);
}

TEST_F(TrickleServerTest, ASessionLastsFourHoursHoweverItsCookiesAreRenewed) {
  hub_.seed_drbg();
  const SecretBytes key(32);
  EXPECT_FALSE(ask(issue("router", key, present - 3), trickle::Grade::drbg)->refused);
  EXPECT_EQ(ask(issue("router", key, present - 4), trickle::Grade::drbg)->refused, Reason::session);
  EXPECT_FALSE(ask(issue("router", key, present + 1), trickle::Grade::drbg)->refused)
      << "another server's clock is ahead";
  EXPECT_EQ(ask(issue("router", key, present + 2), trickle::Grade::drbg)->refused, Reason::session);
  // A fresh cookie is no younger than its session.
  Held held = issue("router", key, present - 3);
  const auto answer = ask(held, trickle::Grade::drbg);
  Samples next(trickle::keys_bytes);
  trickle::next_keys(held.keys, answer->fresh(0), next);
  held = {answer->cookie(0), next};
  EXPECT_FALSE(ask(held, trickle::Grade::drbg)->refused);
  server_.refresh(start + hour);
  EXPECT_EQ(ask(held, trickle::Grade::drbg)->refused, Reason::session);
}

TEST_F(TrickleServerTest, GarbageIsCountedAndNeverAnswered) {
  hub_.seed_drbg();
  const std::uint64_t seed = 5;
  std::mt19937_64 random(seed);
  const auto good = question(held_, trickle::Grade::drbg);
  for (int i = 0; i < 5000; ++i) {
    auto datagram = good;
    for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips) {
      datagram[random() % datagram.size()] ^= static_cast<std::uint8_t>(1 + random() % 255);
    }
    datagram.resize(random() % 3 == 0 ? random() % (datagram.size() + 1) : datagram.size());
    if (datagram == good) continue;
    ASSERT_TRUE(exchange(datagram).empty()) << "seed " << seed << " round " << i;
  }
}

}  // namespace
}  // namespace qanat::outlets
