#include "share/client_book.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace qanat::share {
namespace {

class ClientBookTest : public testing::Test {
 protected:
  ClientBook book_{[](const std::string&, const Terms& terms) { return Flow(terms); }};
};

TEST_F(ClientBookTest, ANameIsTakenOnce) {
  EXPECT_TRUE(book_.add("router", SecretBytes(32), {}));
  const auto again = book_.add("router", SecretBytes(32), {});
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("qanat revoke router"), std::string::npos);
}

TEST_F(ClientBookTest, RefusesNamesThatAreNone) {
  for (const char* name : {"", "a b", "x/y", "ü", "a\n", "\"", "../x"}) {
    EXPECT_FALSE(book_.add(name, SecretBytes(32), {})) << name;
  }
  EXPECT_FALSE(book_.add(std::string(65, 'a'), SecretBytes(32), {}));
  EXPECT_TRUE(book_.add(std::string(64, 'a'), SecretBytes(32), {}));
}

TEST_F(ClientBookTest, RevokingTellsThoseWhoServeIt) {
  const auto client = *book_.add("vm-1", SecretBytes(32), {});
  std::shared_ptr<Client> told;
  book_.on_revoke([&](const std::shared_ptr<Client>& who) { told = who; });
  EXPECT_TRUE(book_.revoke("vm-1"));
  EXPECT_EQ(told, client);
  EXPECT_TRUE(client->revoked);
  EXPECT_EQ(book_.find("vm-1"), nullptr);
  EXPECT_FALSE(book_.revoke("vm-1")) << "once is enough";
}

TEST_F(ClientBookTest, RevokingBarsAnyNameUntilItIsAllowed) {
  EXPECT_EQ(*book_.revoke("never-seen"), false) << "at another hub, or after a restart";
  EXPECT_EQ(book_.find_or_add_certified("never-seen", 1000), nullptr);
  (void)*book_.add("invited", SecretBytes(32), {});
  EXPECT_EQ(*book_.revoke("invited"), true);
  EXPECT_EQ(book_.find_or_add_certified("invited", 1000), nullptr);
  const auto again = book_.add("invited", SecretBytes(32), {});
  ASSERT_FALSE(again) << "an invitation lifts no bar";
  EXPECT_NE(again.error().message.find("qanat allow invited"), std::string::npos);
  EXPECT_FALSE(book_.allow("nobody"));
  EXPECT_TRUE(book_.allow("invited"));
  EXPECT_TRUE(book_.add("invited", SecretBytes(32), {}));
  EXPECT_TRUE(book_.allow("never-seen"));
  EXPECT_NE(book_.find_or_add_certified("never-seen", 1000), nullptr);
  EXPECT_FALSE(book_.revoke("no name"));
}

TEST_F(ClientBookTest, AWithdrawnInvitationLeavesNothing) {
  const auto serial = (*book_.add("vm-1", SecretBytes(32), {}))->serial;
  EXPECT_FALSE(book_.withdraw("vm-1", serial + 1)) << "another invitation of that name";
  std::shared_ptr<Client> told;
  book_.on_revoke([&](const std::shared_ptr<Client>& who) { told = who; });
  EXPECT_TRUE(book_.withdraw("vm-1", serial));
  EXPECT_TRUE(told->revoked) << "whoever drew as it meanwhile";
  EXPECT_TRUE(book_.bars().empty());
  EXPECT_TRUE(book_.add("vm-1", SecretBytes(32), {}));
}

TEST_F(ClientBookTest, BarsAreManyButNotEndless) {
  std::vector<Bar> stored;
  for (std::size_t i = 0; i < ClientBook::most_bars; ++i) {
    stored.push_back({"vm-" + std::to_string(i), i == 7 || i == 9});
  }
  book_.set_bars(stored);
  // Those whose key is gone make room, the oldest first.
  EXPECT_TRUE(book_.revoke("a"));
  EXPECT_TRUE(book_.revoke("b"));
  const auto bars = book_.bars();
  ASSERT_EQ(bars.size(), ClientBook::most_bars);
  EXPECT_EQ(bars.at(7).name, "vm-8");
  EXPECT_EQ(bars.at(8).name, "vm-10");
  EXPECT_EQ(bars.back().name, "b");
  (void)book_.find_or_add_certified("c", 1000);
  EXPECT_FALSE(book_.revoke("c")) << "none may be forgotten";
  EXPECT_EQ(book_.find("c"), nullptr) << "it ends all the same";
}

TEST_F(ClientBookTest, TheConfigurationsTermsGoBeforeThoseOfAnInvitation) {
  const auto client = *book_.add("vm-1", SecretBytes(32), {100, 0, 1});
  book_.configure({{"vm-1", {200, 0, 2}}, {"db", {50, 0, 1}}});
  EXPECT_EQ(client->flow.report().terms, (Terms{200, 0, 2}));
  EXPECT_EQ(client->invited, (Terms{100, 0, 1})) << "what is stored stays what was agreed";
  EXPECT_EQ(book_.find_or_add_certified("db", 1000)->flow.report().terms.rate, 50U);
  book_.configure({});
  EXPECT_EQ(client->flow.report().terms, (Terms{100, 0, 1}));
  book_.revoke("vm-1");
  EXPECT_EQ(client->flow.report().terms.rate, 0U) << "a revoked client is promised nothing";
}

TEST_F(ClientBookTest, ARevokedCertificateDoesNotComeBackByItself) {
  ASSERT_NE(book_.find_or_add_certified("db", 1000), nullptr);
  EXPECT_EQ(book_.find_or_add_certified("db", 1000), book_.find("db"));
  book_.revoke("db");
  EXPECT_EQ(book_.find_or_add_certified("db", 1000), nullptr);
  ASSERT_EQ(book_.bars().size(), 1U);
  EXPECT_EQ(book_.bars()[0].name, "db");
  // Nor may it pass for a client with a key of its own.
  ASSERT_TRUE(book_.add("router", SecretBytes(32), {}));
  EXPECT_EQ(book_.find_or_add_certified("router", 1000), nullptr);
}

TEST_F(ClientBookTest, ForgetsCertifiedOnesThatAreIdleWhereTheyAreMany) {
  book_.configure({{"named", Terms{50, 0, 1}}});
  (void)*book_.add("invited", SecretBytes(32), {});
  (void)book_.find_or_add_certified("named", 1000);
  const auto connected = book_.find_or_add_certified("connected", 1000);
  ++connected->connections;
  for (std::size_t i = 2; i < ClientBook::most_certified; ++i) {
    (void)book_.find_or_add_certified("vm-" + std::to_string(i), 1000);
  }
  EXPECT_EQ(book_.list().size(), ClientBook::most_certified + 1);
  const auto recent = book_.find_or_add_certified("vm-2", 1500);
  const std::uint64_t version = book_.version();
  const auto one_more = book_.find_or_add_certified("one-more", 1601);
  ASSERT_NE(one_more, nullptr);
  EXPECT_NE(book_.version(), version);
  std::set<std::string> left;
  for (const auto& client : book_.list()) left.insert(client->name);
  EXPECT_EQ(left, (std::set<std::string>{"invited", "named", "connected", "vm-2", "one-more"}));
  // A revoked one is no longer counted, and a forgotten one may come again.
  EXPECT_TRUE(book_.revoke("one-more"));
  EXPECT_NE(book_.find_or_add_certified("vm-3", 1601), nullptr);
}

TEST(ClientBook, CallsNobodyWithItsLockHeld) {
  const ClientBook* self = nullptr;
  std::size_t calls = 0;
  ClientBook book([&](const std::string&, const Terms& terms) {
    // Another thread would wait for ever here, if the book were locked.
    std::thread([&] { calls += self->list().empty() ? 1 : 1; }).join();
    return Flow(terms);
  });
  self = &book;
  book.on_revoke([&](const std::shared_ptr<Client>& client) {
    std::thread([&] { EXPECT_EQ(self->find(client->name), nullptr); }).join();
    ++calls;
  });
  ASSERT_TRUE(book.add("router", SecretBytes(shared_key_bytes), {}));
  ASSERT_TRUE(book.find_or_add_certified("leaf", 1));
  EXPECT_TRUE(book.revoke("router"));
  EXPECT_EQ(calls, 3U);
}

}  // namespace
}  // namespace qanat::share
