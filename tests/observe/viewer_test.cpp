#include <gtest/gtest.h>

#include "observe/node_report.h"
#include "share/client_book.h"

namespace qanat::observe {
namespace {

class ViewerTest : public testing::Test {
 protected:
  ViewerTest() {
    all_.dispenser.sources = {{"hwrng", {}}, {"egd as joe", {}}};
    all_.dispenser.waiting_requests = 9;
    all_.dispenser.promised = 900;
    SourceReport hwrng;
    hwrng.name = "hwrng";
    SourceReport producer;
    producer.name = "egd as joe";
    producer.account = 1;
    all_.sources = {hwrng, producer};
    all_.inflows = 1;
    all_.outlets.resize(2);
    ClientReport router;
    router.name = "router";
    router.rate = 100;
    router.waiting_requests = 1;
    ClientReport other;
    other.name = "other";
    all_.clients = {router, other};
    const auto event = [](const std::string& subject, const std::string& text,
                          const Audience& audience) {
      return Event{.id = "", .subject = subject, .text = text, .audience = audience};
    };
    all_.events = {event("hwrng", "a source failed", {.everybody = true}),
                   event("clients", "router is slow", {.client = "router"}),
                   event("clients", "somebody was invited", {})};
    all_.events_total = 3;
  }
  static std::vector<std::string> texts(const NodeReport& seen) {
    std::vector<std::string> out;
    for (const Event& event : seen.events) out.push_back(event.text);
    return out;
  }

  share::ClientBook book_{
      [](const std::string&, const share::Terms& terms) { return share::Flow(terms); }};
  std::shared_ptr<share::Client> client_ = book_.find_or_add_certified("router", 1'700'000'000);
  NodeReport all_;
};

TEST_F(ViewerTest, TheOperatorSeesEverything) {
  const NodeReport seen = seen_by(all_, {.all = true});
  EXPECT_EQ(seen.clients.size(), 2U);
  EXPECT_EQ(seen.outlets.size(), 2U);
  EXPECT_EQ(seen.sources.size(), 2U);
  EXPECT_EQ(seen.events_total, 3U);
}

TEST_F(ViewerTest, AClientSeesTheSourcesAndItselfAlone) {
  const NodeReport seen = seen_by(all_, {.client = client_.get()});
  ASSERT_EQ(seen.clients.size(), 1U);
  EXPECT_EQ(seen.clients[0].name, "router");
  EXPECT_TRUE(seen.outlets.empty());
  ASSERT_EQ(seen.sources.size(), 1U) << "a producer's account has its user's name";
  EXPECT_EQ(seen.dispenser.sources[0].first, "hwrng");
  EXPECT_EQ(seen.dispenser.sources[1].first, "");
  EXPECT_EQ(seen.dispenser.waiting_requests, 1U);
  EXPECT_EQ(seen.dispenser.promised, 100);
  EXPECT_EQ(texts(seen), (std::vector<std::string>{"a source failed", "router is slow"}));
  EXPECT_EQ(seen.events_total, 0U) << "it would tell of the others";
}

TEST_F(ViewerTest, WhoHasNoNameSeesNoClient) {
  const NodeReport seen = seen_by(all_, {});
  EXPECT_TRUE(seen.clients.empty());
  EXPECT_EQ(texts(seen), (std::vector<std::string>{"a source failed"}));
  EXPECT_EQ(seen.dispenser.waiting_requests, 0U);
}

}  // namespace
}  // namespace qanat::observe
