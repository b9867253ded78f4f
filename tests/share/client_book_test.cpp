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
  EXPECT_NE(again.error().message.find("revoke it first"), std::string::npos);
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
  EXPECT_FALSE(book_.revoke("vm-1"));
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
  EXPECT_EQ(book_.barred(), std::vector<std::string>{"db"});
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
