#include "share/client_book.h"

#include <gtest/gtest.h>

namespace qanat::share {
namespace {

class ClientBookTest : public testing::Test {
 protected:
  FlowId flow_ = 0;
  ClientBook book_{[this] { return ++flow_; }};
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
