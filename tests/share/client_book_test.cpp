#include "share/client_book.h"

#include <gtest/gtest.h>

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
  EXPECT_EQ(book_.find_or_add_certified("db")->flow.report().terms.rate, 50U);
  book_.configure({});
  EXPECT_EQ(client->flow.report().terms, (Terms{100, 0, 1}));
  book_.revoke("vm-1");
  EXPECT_EQ(client->flow.report().terms.rate, 0U) << "a revoked client is promised nothing";
}

TEST_F(ClientBookTest, ARevokedCertificateDoesNotComeBackByItself) {
  ASSERT_NE(book_.find_or_add_certified("db"), nullptr);
  EXPECT_EQ(book_.find_or_add_certified("db"), book_.find("db"));
  book_.revoke("db");
  EXPECT_EQ(book_.find_or_add_certified("db"), nullptr);
  EXPECT_EQ(book_.barred(), std::vector<std::string>{"db"});
  // Nor may it pass for a client with a key of its own.
  ASSERT_TRUE(book_.add("router", SecretBytes(32), {}));
  EXPECT_EQ(book_.find_or_add_certified("router"), nullptr);
}

}  // namespace
}  // namespace qanat::share
