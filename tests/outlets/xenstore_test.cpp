#include <gtest/gtest.h>

#include <set>

#include "outlets/local_outlet_test.h"
#include "support/fake_xenstored.h"

namespace qanat::outlets {
namespace {

using test::eventually;

class XenstoreOutletTest : public LocalOutletTest {
 protected:
  using Kind = wire::xenstore::Kind;
  static std::string home(unsigned domain) { return "/local/domain/" + std::to_string(domain); }
  static std::string seed_path(unsigned domain) { return home(domain) + "/data/random-seed"; }
  void domain(unsigned number) {
    xen_.write(home(number), "");
    xen_.tell("@introduceDomain");
  }
  std::string seed(unsigned domain) const { return xen_.at(seed_path(domain)).value_or(""); }
  std::unique_ptr<serve::Outlet> begin(const std::string& options = "") {
    return start("xenstore:?socket=" + path("socket") + options);
  }
  bool balanced() const { return hub_.dispenser.report().total.balanced(); }

  test::FakeXenstored xen_{path("socket")};
};

TEST_F(XenstoreOutletTest, EachGuestHasASeedOfItsOwnAndItsPermissions) {
  xen_.write("/local/domain", "");
  for (const unsigned number : {0U, 1U, 5U, 1234U}) domain(number);
  hub_.credit(4096);
  const auto outlet = begin();
  ASSERT_TRUE(eventually([&] { return outlet->report().full_bytes == 48; }));
  std::set<std::string> seen;
  for (const unsigned number : {1U, 5U, 1234U}) {
    EXPECT_EQ(seed(number).size(), 32U);
    EXPECT_TRUE(seen.insert(seed(number)).second);
    const std::string id = std::to_string(number);
    EXPECT_EQ(xen_.permissions(seed_path(number)), std::string("n0\0b", 4) + id + '\0');
    EXPECT_EQ(xen_.permissions(seed_path(number) + "-generation"),
              std::string("n0\0r", 4) + id + '\0');
    EXPECT_EQ(xen_.at(seed_path(number) + "-generation")->size(), 16U);
  }
  EXPECT_FALSE(xen_.at(seed_path(0))) << "this one is the host's own";
  const std::string generation = *xen_.at(seed_path(5) + "-generation");
  const std::string before = seed(5);
  domain(6);
  ASSERT_TRUE(eventually([&] { return !seed(6).empty(); })) << "a new one has it at once";
  EXPECT_EQ(seed(5), before);
  outlet->renew();
  ASSERT_TRUE(eventually([&] { return outlet->report().deliveries == 8; })) << "all anew";
  EXPECT_NE(seed(5), before);
  EXPECT_EQ(*xen_.at(seed_path(5) + "-generation"), generation) << "the same guest";
  EXPECT_EQ(outlet->report().connections, 4U);
  outlet->stop();
  EXPECT_EQ(hub_.dispenser.report().total.delivered, 8U * 16 * 8);
  EXPECT_TRUE(balanced());
}

TEST_F(XenstoreOutletTest, AGuestThatHasGoneIsForgottenAndNoTreeMadeOfIt) {
  xen_.write("/local/domain", "");
  domain(1);
  domain(2);
  const auto outlet = begin();
  ASSERT_TRUE(eventually([&] { return outlet->report().connections == 2; }));
  // Between its bytes and its seed, and nobody has told: any earlier, and a look at who is there
  // may find it out first.
  xen_.before(Kind::begin, [&] { xen_.remove(home(1)); });
  hub_.credit(4096);
  ASSERT_TRUE(eventually([&] { return outlet->report().refused["gone"] == 1; }));
  ASSERT_TRUE(eventually([&] { return outlet->report().connections == 1; }));
  EXPECT_FALSE(xen_.at(seed_path(1)));
  ASSERT_TRUE(eventually([&] { return outlet->report().deliveries == 1; }));
  xen_.remove(home(2));
  xen_.tell("@releaseDomain");
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 0; }));
  EXPECT_TRUE(eventually([&] { return xen_.heard(Kind::unwatch) == 2; }));
  outlet->stop();
  EXPECT_EQ(hub_.dispenser.report().total.discarded, 16U * 8) << "what was drawn for the first";
  EXPECT_TRUE(balanced());
}

TEST_F(XenstoreOutletTest, ARefusalIsCountedByItsReasonAndStopsNobodyElse) {
  xen_.write("/local/domain", "");
  for (const unsigned number : {1U, 2U, 3U, 4U, 5U}) domain(number);
  xen_.refuse(Kind::write, seed_path(1), "ENOSPC");
  xen_.refuse(Kind::set_permissions, seed_path(2), "EACCES");
  xen_.refuse(Kind::write, seed_path(3) + "-generation", "EQUOTA");
  xen_.refuse(Kind::watch, seed_path(4), "<script>");
  hub_.credit(4096);
  const auto outlet = begin();
  ASSERT_TRUE(eventually([&] { return outlet->report().deliveries == 2; }));
  EXPECT_TRUE(eventually([&] { return outlet->report().refused["EQUOTA"] == 1; }));
  const auto report = outlet->report();
  EXPECT_EQ(report.refused.at("ENOSPC"), 1U);
  EXPECT_EQ(report.refused.at("EACCES"), 1U);
  EXPECT_EQ(report.refused.at("other"), 1U);
  EXPECT_EQ(report.refused.at("undelivered_bytes"), 48U);
  EXPECT_FALSE(xen_.at(seed_path(2))) << "never seen without its permissions";
  EXPECT_FALSE(xen_.at(seed_path(3))) << "all or nothing";
  outlet->stop();
  EXPECT_EQ(hub_.dispenser.report().total.discarded, 48U * 8);
  EXPECT_TRUE(balanced());
}

TEST_F(XenstoreOutletTest, AConflictIsTriedAgainAndAnEndlessOneGivenUp) {
  xen_.write("/local/domain", "");
  domain(1);
  xen_.conflicts = 2;
  hub_.credit(4096);
  const auto outlet = begin();
  ASSERT_TRUE(eventually([&] { return outlet->report().deliveries == 1; }));
  xen_.conflicts = 4;
  outlet->feed_now();
  ASSERT_TRUE(eventually([&] { return outlet->report().refused["conflict"] == 1; }));
  outlet->stop();
  EXPECT_TRUE(balanced());
}

TEST_F(XenstoreOutletTest, AGuestThatRemovesItsSeedHasAnother) {
  xen_.write("/local/domain", "");
  domain(1);
  domain(2);
  hub_.credit(4096);
  const auto outlet = begin("&every=10s");
  ASSERT_TRUE(eventually([&] { return outlet->report().deliveries == 2; }));
  const std::string other = seed(2);
  xen_.write(seed_path(2), "");
  xen_.remove(seed_path(1));
  ASSERT_TRUE(eventually([&] { return outlet->report().deliveries == 3; }));
  EXPECT_EQ(seed(1).size(), 32U);
  EXPECT_EQ(seed(2), "") << "it has taken its seed, and asks for none";
}

TEST_F(XenstoreOutletTest, ALostXenstoredIsAProblemAndFoundAgain) {
  xen_.write("/local/domain", "");
  domain(1);
  hub_.credit(4096);
  const auto outlet = begin();
  ASSERT_TRUE(eventually([&] { return outlet->report().deliveries == 1; }));
  const std::string first = seed(1);
  xen_.hang_up();
  ASSERT_TRUE(eventually([&] { return outlet->report().deliveries == 2; }));
  EXPECT_NE(seed(1), first);
  EXPECT_EQ(outlet->report().problem, "");
  EXPECT_GE(hub_.told().size(), 2U) << "that it was lost, and that it was found";
  // One that answers nothing is no reason to stop late.
  xen_.silent = true;
  outlet->feed_now();
  ASSERT_TRUE(eventually([&] { return xen_.unanswered > 0; }));
  const auto began = std::chrono::steady_clock::now();
  outlet->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(4)) << "of 5";
  EXPECT_TRUE(balanced());
}

TEST_F(XenstoreOutletTest, OneDomainAloneAndAnotherGrade) {
  xen_.write("/local/domain", "");
  domain(1);
  domain(2);
  hub_.credit(48);
  const auto outlet =
      start("xenstore:/local/domain/2/seed?grade=drbg&bytes=64&socket=" + path("socket"));
  ASSERT_TRUE(eventually([&] { return outlet->report().drbg_bytes == 64; }));
  EXPECT_EQ(xen_.at(home(2) + "/seed")->size(), 128U);
  EXPECT_TRUE(xen_.at(home(2) + "/seed-generation")->ends_with(" drbg"));
  EXPECT_EQ(outlet->report().connections, 1U);
}

TEST_F(XenstoreOutletTest, WhatCannotBeIsSaidAtOnce) {
  for (const char* text :
       {"xenstore:/local/domain/0/x", "xenstore:/local/domain/x/y", "xenstore:/local/domain/5",
        "xenstore:/vm/5/seed", "xenstore:a//b", "xenstore:*/x", "xenstore:/local/domain/*/a/*",
        "xenstore:/local/domain/40000/x", "xenstore:?bytes=8", "xenstore:?every=0s"}) {
    EXPECT_THROW(plan_outlet(text), Failure) << text;
  }
  EXPECT_THROW(start("xenstore:?socket=" + path("none")), Failure);
  EXPECT_EQ(plan_outlet("xenstore:").place,
            plan_outlet("xenstore:/local/domain/*/data/random-seed").place);
}

}  // namespace
}  // namespace qanat::outlets
