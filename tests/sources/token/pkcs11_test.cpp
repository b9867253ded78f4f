#if defined(PKCS11_FAKE)

#include "sources/token/pkcs11.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <p11-kit/pkcs11.h>
#include <sys/stat.h>

#include "sources/source_test.h"
#include "support/pkcs11_module.h"

namespace qanat::sources {
namespace {

// With a module that is made up (support/pkcs11_module.c).
class Pkcs11Test : public SourceTest {
 protected:
  static fake_token& fake() {
    static auto* const found =
        static_cast<fake_token*>(::dlsym(::dlopen(PKCS11_FAKE, RTLD_NOW), "fake_token"));
    return *found;
  }

  Pkcs11Test() {
    fake_token& f = fake();
    for (fake_number* number : {&f.initialize, &f.login, &f.generate, &f.lost_after, &f.lost_with,
                                &f.wants_login, &f.hangs, &f.logins, &f.largest}) {
      *number = 0;
    }
    f.flags = CKF_RNG | CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED;
    f.tokens = 1;
    before_ = f.sessions;
  }
  // The module, which other tests had before, counts them all.
  std::uint64_t sessions() const { return fake().sessions - before_; }

  std::string name(const std::string& more, const std::string& uri = "token=fake0") const {
    return "pkcs11:" + uri + "?module-path=" PKCS11_FAKE + more;
  }
  std::string pin_file(const std::string& pin, mode_t mode = 0600) const {
    std::ofstream(path("pin")) << pin;
    ::chmod(path("pin").c_str(), mode);
    return "&pin-source=file:" + path("pin");
  }
  // Of the source alone.
  Result<std::size_t> once(const std::string& text) {
    const Waker never;
    const auto source = make_probe(text);
    if (auto opened = source->open(never); !opened) return tl::unexpected(opened.error());
    std::array<std::uint8_t, 512> out{};
    return source->read(out, never);
  }
  std::string problem(const std::string& text) {
    const auto got = once(text);
    return got ? "" : (got.error().fault ? "fault: " : "") + got.error().message;
  }
  std::uint64_t credited() { return dispenser_.report().total.credited; }

  std::uint64_t before_ = 0;
};

TEST_F(Pkcs11Test, IsCreditedAsConfigured) {
  EXPECT_FALSE(describe_source(name("")).credit);
  EXPECT_NE(describe_source(name("")).note.find("credited only as h="), std::string::npos);
  EXPECT_TRUE(describe_source(name("&h=4")).credit);
  EXPECT_EQ(describe_source(name("&h=3")).h, 3);
  EXPECT_TRUE(describe_source(name("&credit=yes")).credit);
  EXPECT_FALSE(describe_source(name("&h=4&credit=no")).credit);
  auto source = start(name("&h=4"));
  EXPECT_TRUE(test::eventually([&] { return credited() > 0; }));
  EXPECT_EQ(fake().largest, 256U);
  EXPECT_EQ(sessions(), 1U);
  EXPECT_EQ(fake().logins, 0U);
}

TEST_F(Pkcs11Test, ASessionThatIsLostIsReplacedWithoutAWord) {
  fake().wants_login = 1;
  for (const CK_RV how : {CKR_SESSION_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN, CKR_DEVICE_REMOVED,
                          CKR_TOKEN_NOT_PRESENT, CKR_CRYPTOKI_NOT_INITIALIZED}) {
    fake().lost_with = how;
    fake().lost_after = 2;
    fake().logins = 0;
    const std::uint64_t earlier = sessions();
    const Waker never;
    const auto source = make_probe(name(pin_file("1234")));
    ASSERT_TRUE(source->open(never));
    std::array<std::uint8_t, 64> out{};
    for (int i = 0; i < 4; ++i) EXPECT_EQ(source->read(out, never).value_or(999), 64U) << how;
    EXPECT_EQ(sessions() - earlier, 2U);
    EXPECT_EQ(fake().logins, 2U);
  }
}

TEST_F(Pkcs11Test, ATokenThatIsPulledOutIsGoneAndFoundAgain) {
  auto source = start(name("&h=4"));
  EXPECT_TRUE(reaches(*source, "healthy"));
  fake().tokens = 0;
  fake().lost_with = CKR_DEVICE_REMOVED;
  fake().lost_after = 1;
  source->retest();
  EXPECT_TRUE(reaches(*source, "gone"));
  fake().tokens = 1;
  EXPECT_TRUE(reaches(*source, "healthy"));
}

TEST_F(Pkcs11Test, AWrongPinIsSentOnce) {
  fake().login = CKR_PIN_INCORRECT;
  const std::string text = name("&h=4" + pin_file("9999\n"));
  auto source = start(text);
  EXPECT_TRUE(reaches(*source, "failed"));
  EXPECT_EQ(fake().logins, 1U);
  const Waker never;
  const auto bare = make_probe(text);
  for (int i = 0; i < 5; ++i) {
    const auto opened = bare->open(never);
    ASSERT_FALSE(opened);
    EXPECT_TRUE(opened.error().fault);
    EXPECT_EQ(opened.error().message.find("9999"), std::string::npos);
  }
  EXPECT_EQ(fake().logins, 2U);  // each of the two once
  // Another PIN in the file is another try.
  fake().login = CKR_OK;
  pin_file("1234");
  EXPECT_TRUE(bare->open(never));
  EXPECT_EQ(fake().logins, 3U);
}

TEST_F(Pkcs11Test, TheLastTryOfAPinIsLeftToAPerson) {
  fake().flags = fake().flags | CKF_USER_PIN_FINAL_TRY;
  EXPECT_NE(problem(name(pin_file("1234"))).find("fault: the token 'fake0' (serial 0) allows one"),
            std::string::npos);
  fake().flags = fake().flags | CKF_USER_PIN_LOCKED;
  EXPECT_EQ(problem(name(pin_file("1234"))),
            "fault: the PIN of the token 'fake0' (serial 0) is locked");
  EXPECT_EQ(fake().logins, 0U);
}

TEST_F(Pkcs11Test, SaysWhatIsWrong) {
  fake().generate = CKR_RANDOM_NO_RNG;
  EXPECT_EQ(problem(name("")), "the token 'fake0' (serial 0) has no generator");
  fake().generate = CKR_OK;
  fake().wants_login = 1;
  EXPECT_NE(problem(name("")).find("gives nothing without a login"), std::string::npos);
  fake().wants_login = 0;
  EXPECT_EQ(problem(name("", "token=other")),
            "there is no token pkcs11:token=other; there is 'fake0' (serial 0)");
  fake().tokens = 3;
  EXPECT_NE(problem(name("", "")).find("is more than one token: 'fake0' (serial 0), 'fake1'"),
            std::string::npos);
  EXPECT_EQ(problem(name("", "serial=2")), "");
  EXPECT_EQ(problem(name("", "slot-id=1")), "");
  fake().tokens = 0;
  EXPECT_NE(problem(name("", "")).find("the module has none"), std::string::npos);
  fake().initialize = CKR_GENERAL_ERROR;
  EXPECT_NE(problem(name("")).find("does not start"), std::string::npos);
  EXPECT_NE(problem("pkcs11:?module-path=/nonexistent.so").find("cannot load /nonexistent.so"),
            std::string::npos);
  EXPECT_NE(problem("pkcs11:?module-path=/bin/true").find("cannot load /bin/true"),
            std::string::npos);
}

TEST_F(Pkcs11Test, APinFileThatOthersCanReadIsRefused) {
  EXPECT_NE(problem(name(pin_file("1234", 0644))).find("0644"), std::string::npos)
      << problem(name(pin_file("1234", 0644)));
  EXPECT_NE(problem(name(pin_file(""))).find("is empty"), std::string::npos);
  EXPECT_EQ(fake().logins, 0U);
}

TEST_F(Pkcs11Test, OneThatHangsHoldsUpNoEnd) {
  fake().hangs = 1;
  {
    auto source = start(name("&h=4"));
    EXPECT_TRUE(test::eventually([&] { return sessions() == 1; }));
    source->request_stop();
    EXPECT_TRUE(source->join(std::chrono::seconds(30)));
    running_.clear();
  }
  fake().hangs = 0;
}

TEST_F(Pkcs11Test, WhatIsNoNameOfATokenIsRefusedWithoutItsPin) {
  for (const std::string& text :
       {name("&pin-value=4711&h=9"), name("&pin-value=4711&colour=red"),
        name("&pin-value=4711", "object=key"), name("&pin-value=4711", "no"),
        name("&pin-value=4711&pin-source=file:/x"), name("&pin-value=4711&h=4&h=5"),
        name("&pin-value=4711&pin-source=/x?y"), name("&pin-source=|pinentry&pin-value=4711"),
        std::string("PKCS11:?pin-value=4711"), std::string("other:x?pin-value=4711"),
        std::string("pkcs11:?module-path=relative.so&pin-value=4711")}) {
    try {
      plan_source(text);
      FAIL() << text;
    } catch (const Failure& refused) {
      EXPECT_EQ(std::string(refused.what()).find("4711"), std::string::npos) << refused.what();
    }
  }
  EXPECT_EQ(plan_source(name("&pin-value=4711&h=4")).name, name("&pin-value=...&h=4"));
}

}  // namespace
}  // namespace qanat::sources

#endif
