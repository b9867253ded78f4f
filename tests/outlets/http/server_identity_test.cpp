#include "outlets/http/server_identity.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "support/test_hub.h"

namespace qanat::outlets {
namespace {

class ServerIdentityTest : public testing::Test {
 protected:
  ~ServerIdentityTest() override { std::filesystem::remove_all(directory_); }

  void write(const crypto::KeyAndCertificate& pair, bool certificate = true, bool key = true) {
    if (certificate) {
      ASSERT_TRUE(replace_file(*settings_.certificate_file, as_bytes(pair.certificate_pem), 0644));
    }
    if (key) {
      ASSERT_TRUE(replace_file(*settings_.key_file, pair.key_pem.view(), 0600));
    }
  }
  static crypto::Pin shown(const ServerIdentity& identity) {
    return crypto::pin_of(SSL_get_certificate(identity.new_session().get()));
  }
  static crypto::Pin pin(const crypto::KeyAndCertificate& pair) {
    return *crypto::pin_of_certificate(pair.certificate_pem);
  }
  std::string problem() const {
    observe::OutletReport report;
    identity_.report(report);
    return report.problem;
  }

  static std::string make_directory() {
    std::string pattern = testing::TempDir() + "/qanat-identity-XXXXXX";
    return ::mkdtemp(pattern.data());
  }
  static HttpSettings settings_in(const std::string& directory) {
    HttpSettings settings;
    settings.name = "https:";
    settings.tls = true;
    settings.certificate_file = directory + "/cert";
    settings.key_file = directory + "/key";
    return settings;
  }

  const std::string directory_ = make_directory();
  test::TestHub hub_;
  HttpSettings settings_ = settings_in(directory_);
  crypto::KeyAndCertificate old_ = crypto::make_self_signed("old");
  crypto::KeyAndCertificate new_ = crypto::make_self_signed("new");
  ServerIdentity identity_{settings_, hub_.all_services()};
};

TEST_F(ServerIdentityTest, ARenewedCertificateIsShownToWhoComesAfter) {
  write(old_);
  identity_.load();
  const crypto::SslPtr before = identity_.new_session();
  write(new_);
  EXPECT_EQ(shown(identity_), pin(old_));
  identity_.look(false);
  EXPECT_EQ(shown(identity_), pin(new_));
  EXPECT_EQ(crypto::pin_of(SSL_get_certificate(before.get())), pin(old_));
  EXPECT_EQ(problem(), "");
  ASSERT_EQ(hub_.told().size(), 1U);
  EXPECT_NE(hub_.told()[0].find("renewed"), std::string::npos);
  identity_.look(true);
  EXPECT_EQ(hub_.told().size(), 1U) << "nothing has changed since";
}

TEST_F(ServerIdentityTest, WhatCannotBeUsedLeavesWhatWasThereAndIsToldOnce) {
  write(old_);
  identity_.load();
  write(new_, true, false);
  identity_.look(true);
  EXPECT_EQ(shown(identity_), pin(old_));
  EXPECT_NE(problem().find("does not belong"), std::string::npos) << problem();
  identity_.look(true);
  identity_.look(false);
  EXPECT_EQ(hub_.told().size(), 1U);
  // Gone altogether: another problem.
  ASSERT_EQ(::unlink(settings_.key_file->c_str()), 0);
  identity_.look(true);
  EXPECT_NE(problem().find(*settings_.key_file), std::string::npos) << problem();
  EXPECT_EQ(hub_.told().size(), 2U);
  EXPECT_EQ(shown(identity_), pin(old_));
  write(new_);
  identity_.look(false);
  EXPECT_EQ(problem(), "");
  EXPECT_EQ(shown(identity_), pin(new_));
}

TEST_F(ServerIdentityTest, APairThatIsReplacedInTwoStepsIsNoAlarm) {
  write(old_);
  identity_.load();
  write(new_, true, false);
  identity_.look(false);
  EXPECT_EQ(problem(), "");
  write(new_, false, true);
  identity_.look(false);
  EXPECT_EQ(shown(identity_), pin(new_));
  ASSERT_EQ(hub_.told().size(), 1U);
  // One that stays so is.
  write(old_, false, true);
  identity_.look(false);
  EXPECT_EQ(problem(), "");
  identity_.look(false);
  EXPECT_NE(problem(), "");
}

TEST_F(ServerIdentityTest, TheAuthoritysFileIsTakenUpToo) {
  settings_.ca_file = directory_ + "/ca";
  ServerIdentity identity(settings_, hub_.all_services());
  write(old_);
  ASSERT_TRUE(replace_file(*settings_.ca_file, as_bytes(old_.certificate_pem), 0644));
  identity.load();
  ASSERT_TRUE(replace_file(*settings_.ca_file, as_bytes("no certificate"), 0644));
  identity.look(true);
  observe::OutletReport report;
  identity.report(report);
  EXPECT_NE(report.problem.find("client CA"), std::string::npos) << report.problem;
  ASSERT_TRUE(replace_file(*settings_.ca_file, as_bytes(new_.certificate_pem), 0644));
  identity.look(true);
  identity.report(report);
  EXPECT_EQ(report.problem, "");
}

}  // namespace
}  // namespace qanat::outlets
