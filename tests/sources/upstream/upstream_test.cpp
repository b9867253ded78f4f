// Upstreams over real TLS, some of them malicious.
#include "sources/upstream/upstream.h"

#include <gtest/gtest.h>

#include "support/bad_server.h"
#include "support/eventually.h"
#include "support/test_hub.h"

namespace qanat::sources {
namespace {

using test::eventually;
using test::TestHub;
using namespace std::chrono_literals;

const std::string own_id = "00000000000000aa";

// A hub that anybody on loopback may draw from, with a key of its own.
class Hub : public TestHub {
 public:
  explicit Hub(const std::string& id = "00000000000000bb") {
    provenance.set_own(id);
    outlets::HttpSettings settings;
    settings.name = "https";
    settings.address = {"127.0.0.1", 0};
    settings.tls = true;
    outlet_ = std::make_unique<outlets::HttpOutlet>(settings, all_services());
    outlet_->start();
  }
  peers::Endpoint endpoint() const {
    peers::Endpoint endpoint;
    endpoint.address = *spec::parse_address(outlet_->address_text());
    endpoint.trust.pin = pin();
    return endpoint;
  }

 private:
  std::unique_ptr<outlets::HttpOutlet> outlet_;
};

// Endpoints hold secrets, and are moved.
template <typename... Each>
std::vector<peers::Endpoint> list(Each&&... each) {
  std::vector<peers::Endpoint> endpoints;
  (endpoints.push_back(std::forward<Each>(each)), ...);
  return endpoints;
}

class UpstreamTest : public testing::Test {
 protected:
  UpstreamTest() { provenance_.set_own(own_id); }
  std::unique_ptr<Upstream> make(std::vector<peers::Endpoint> endpoints,
                                 UpstreamSettings settings) {
    return std::make_unique<Upstream>(
        "upstream", std::move(endpoints), settings,
        SourceServices{dispenser_, key_, provenance_, clock_,
                       [this](const std::string&, const std::string& what, EventKind kind) {
                         const std::scoped_lock lock(mutex_);
                         if (is_alarm(kind)) alarms_.push_back(what);
                       },
                       ""});
  }
  std::unique_ptr<Upstream> start(std::vector<peers::Endpoint> endpoints,
                                  UpstreamSettings settings = {}) {
    auto upstream = make(std::move(endpoints), settings);
    dispenser_.on_demand([raw = upstream.get()] { raw->wake(); });
    upstream->start();
    return upstream;
  }
  std::uint64_t credited() const { return dispenser_.report().total.credited; }
  bool alarmed(const std::string& text) const {
    return eventually([&] {
      const std::scoped_lock lock(mutex_);
      return std::any_of(alarms_.begin(), alarms_.end(), [&](const std::string& alarm) {
        return alarm.find(text) != std::string::npos;
      });
    });
  }

  Clock clock_;
  share::Dispenser dispenser_{16 << 10, 4096};
  entropy::ConditioningKey key_{as_bytes("test")};
  entropy::Provenance provenance_;
  mutable std::mutex mutex_;
  std::vector<std::string> alarms_;
};

peers::Endpoint nobody() {
  peers::Endpoint endpoint;
  endpoint.address = {"127.0.0.1", 1};
  endpoint.trust.pin = crypto::Pin{};
  return endpoint;
}

TEST_F(UpstreamTest, BytesPassOneToOneAndArePaidForInBothLedgers) {
  Hub hub;
  hub.credit(64 << 10);
  auto upstream = start(list(hub.endpoint()));
  ASSERT_TRUE(eventually([&] { return credited() == 8U * (16 << 10); }));
  EXPECT_TRUE(eventually([&] { return hub.dispenser.report().total.delivered == credited(); }));
  EXPECT_EQ(*provenance_.all(), (entropy::Provenance::Path{own_id, "00000000000000bb"}));
}

TEST_F(UpstreamTest, TheNextIsTriedWhenOneIsDown) {
  Hub hub;
  hub.credit(64 << 10);
  auto upstream = start(list(nobody(), hub.endpoint()));
  EXPECT_TRUE(eventually([&] { return credited() > 0; }));
  // Said right after the credit.
  EXPECT_TRUE(
      eventually([&] { return upstream->report().state == entropy::SourceState::healthy; }));
}

TEST_F(UpstreamTest, ASlowOneStarvesNobody) {
  Hub hub;
  hub.credit(64 << 10);
  for (const auto& behaviour : {test::BadServer::dripping(), test::BadServer::silent()}) {
    const test::BadServer slow(behaviour);
    const auto before = credited();
    auto upstream = start(list(slow.endpoint(), hub.endpoint()));
    EXPECT_TRUE(eventually([&] { return slow.connections() > 0 && credited() > before; }));
    upstream->request_stop();
    EXPECT_TRUE(upstream->join(5s)) << "a stop waits for nobody";
    dispenser_.renew();
    dispenser_.on_demand([] {});
  }
}

TEST_F(UpstreamTest, AQuorumIsReachedWithoutTheSlow) {
  const test::BadServer slow(test::BadServer::silent());
  peers::Endpoint silent = slow.endpoint();
  silent.tls = true;
  silent.trust.pin = crypto::Pin{};
  Hub first;
  Hub second("00000000000000cc");
  first.credit(64 << 10);
  second.credit(64 << 10);
  auto upstream = start(list(std::move(silent), first.endpoint(), second.endpoint()),
                        {.credit = true, .quorum = 2});
  EXPECT_TRUE(eventually([&] { return credited() > 0; }));
  // Said right after the credit.
  EXPECT_TRUE(
      eventually([&] { return upstream->report().state == entropy::SourceState::healthy; }));
  EXPECT_NE(upstream->report().detail.find("is slow"), std::string::npos)
      << "and who is slow is said: " << upstream->report().detail;
}

TEST_F(UpstreamTest, OneThatSendsWithoutEndIsGivenUp) {
  const test::BadServer server(test::BadServer::endless());
  auto upstream = start(list(server.endpoint()));
  EXPECT_TRUE(alarmed("sent more than the 64 bytes asked for"));
  EXPECT_EQ(credited(), 0U);
}

TEST_F(UpstreamTest, BytesThatPassedThisNodeBeforeAreRefusedByName) {
  Hub hub;
  hub.provenance.set(7, {"00000000000000cc", own_id});
  hub.credit(64 << 10);
  auto upstream = start(list(hub.endpoint()));
  EXPECT_TRUE(alarmed("a loop: this node, 00000000000000aa"));
  EXPECT_TRUE(alarmed("00000000000000bb, 00000000000000cc, 00000000000000aa"))
      << "who stands in it";
  EXPECT_EQ(credited(), 0U);
  EXPECT_GT(upstream->report().alarms, 0U);
}

TEST_F(UpstreamTest, AQuorumCreditsNothingBeforeEnoughHaveContributed) {
  Hub first;
  Hub second("00000000000000cc");
  first.credit(64 << 10);
  auto upstream =
      start(list(first.endpoint(), nobody(), second.endpoint()), {.credit = true, .quorum = 2});
  ASSERT_TRUE(eventually([&] { return first.dispenser.report().total.delivered > 0; }));
  EXPECT_EQ(credited(), 0U);
  second.credit(64 << 10);
  upstream->renew();
  ASSERT_TRUE(eventually([&] { return credited() > 0; }, 60s));
  EXPECT_EQ(provenance_.all()->size(), 3U) << "both stand behind each block";
  // 72 bytes of each pay for 64.
  EXPECT_TRUE(eventually([&] {
    return first.dispenser.report().total.delivered >= credited() / 8 * 9 &&
           second.dispenser.report().total.delivered >= credited() / 8 * 9;
  }));
}

TEST_F(UpstreamTest, OneThatGivesZerosDoesNotCount) {
  Hub honest;
  Hub liar("00000000000000cc");
  honest.credit(64 << 10);
  liar.credit(test::Samples(64 << 10, 0));
  auto upstream = start(list(honest.endpoint(), liar.endpoint()), {.credit = true, .quorum = 2});
  EXPECT_TRUE(alarmed("failed the statistical tests"));
  EXPECT_EQ(credited(), 0U);
}

TEST_F(UpstreamTest, OneHubAtTwoAddressesIsOneUpstream) {
  Hub hub;
  EXPECT_THROW(make(list(hub.endpoint(), hub.endpoint()), {.credit = true, .quorum = 2}), Failure);
  peers::Endpoint plain;
  plain.address = {"127.0.0.1", 1};
  plain.tls = false;
  EXPECT_THROW(make(list(hub.endpoint(), std::move(plain)), {.credit = true, .quorum = 2}), Failure)
      << "without a key there is nobody to count";
  EXPECT_NO_THROW(make(list(hub.endpoint(), nobody()), {.credit = true, .quorum = 2}));
}

TEST_F(UpstreamTest, WhatWasContributedBeforeARenewalIsAskedForAgain) {
  Hub first;
  Hub second("00000000000000cc");
  first.credit(64 << 10);
  auto upstream = start(list(first.endpoint(), second.endpoint()), {.credit = true, .quorum = 2});
  ASSERT_TRUE(eventually([&] { return first.dispenser.report().total.delivered > 0; }));
  const std::uint64_t before = first.dispenser.report().total.delivered;
  dispenser_.renew();
  second.credit(64 << 10);
  upstream->renew();
  ASSERT_TRUE(eventually([&] { return credited() > 0; }, 60s));
  // The hub counts what has arrived, which may be a moment after it has.
  EXPECT_TRUE(eventually([&] { return first.dispenser.report().total.delivered > before; }));
  // What the second was asked for before it may have come as well.
  EXPECT_GE(8 * upstream->report().dropped.at("outdated"), before);
}

}  // namespace
}  // namespace qanat::sources
