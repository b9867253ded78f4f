#include "outlets/trickle/cookie_keys.h"
#include "outlets/trickle/cookie_hours.h"

#include <gtest/gtest.h>

namespace qanat::outlets {
namespace {

std::string text_of(const CookieKeys& keys) { return std::string(as_text(keys.text().view())); }

TEST(CookieKeys, AcceptThePresentTheLastAndTheNextHour) {
  const CookieKeys keys = CookieKeys::make(1000);
  for (const std::uint32_t generation : {999U, 1000U, 1001U}) {
    EXPECT_EQ(keys.find(generation).size(), wire::trickle::key_bytes) << generation;
  }
  for (const std::uint32_t generation : {0U, 998U, 1002U, ~0U}) {
    EXPECT_TRUE(keys.find(generation).empty()) << generation;
  }
  EXPECT_EQ(to_hex(keys.current()), to_hex(keys.find(1000)));
  EXPECT_NE(to_hex(keys.find(999)), to_hex(keys.find(1000)));
}

TEST(CookieKeys, ACookieLivesOneHourMoreThanItsOwn) {
  CookieKeys keys = CookieKeys::make(1000);
  const std::string then = to_hex(keys.current());
  EXPECT_TRUE(keys.advance(1001));
  EXPECT_EQ(to_hex(keys.find(1000)), then);
  EXPECT_TRUE(keys.advance(1002));
  EXPECT_TRUE(keys.find(1000).empty());
  EXPECT_FALSE(keys.advance(1002));
  EXPECT_FALSE(keys.advance(5)) << "never back";
  EXPECT_EQ(keys.generation(), 1002U);
}

TEST(CookieKeys, HubsThatSharedOnceStayTogether) {
  CookieKeys first = CookieKeys::make(1000);
  auto second = CookieKeys::parse(text_of(first), 1000);
  ASSERT_TRUE(second);
  first.advance(1500);
  for (std::uint32_t generation = 1000; generation <= 1500; ++generation)
    second->advance(generation);
  EXPECT_EQ(to_hex(first.current()), to_hex(second->current()));
  // One whose clock is an hour ahead still serves the other's clients, and the other way round.
  second->advance(1501);
  EXPECT_EQ(to_hex(second->find(1500)), to_hex(first.current()));
  EXPECT_EQ(to_hex(first.find(1501)), to_hex(second->current()));
}

TEST(CookieKeys, ARestartLosesNoClientAndMakesUpForTimeThatPassed) {
  CookieKeys before = CookieKeys::make(1000);
  const auto at_once = CookieKeys::parse(text_of(before), 1000);
  ASSERT_TRUE(at_once);
  EXPECT_EQ(to_hex(at_once->find(999)), to_hex(before.find(999)));
  const auto later = CookieKeys::parse(text_of(before), 1024);
  ASSERT_TRUE(later);
  before.advance(1024);
  EXPECT_EQ(to_hex(later->current()), to_hex(before.current()));
}

TEST(CookieKeys, WhatIsNoKeyIsRefused) {
  const std::string good = text_of(CookieKeys::make(1000));
  EXPECT_TRUE(CookieKeys::parse(good, 1000));
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(CookieKeys::parse(good.substr(0, size), 1000)) << size;
  }
  EXPECT_FALSE(CookieKeys::parse("x" + good, 1000));
  EXPECT_FALSE(CookieKeys::parse(good + "\n", 1000));
  EXPECT_FALSE(CookieKeys::parse("qanat-cookie-key 1 -5 " + std::string(64, 'a') + "\n", 1000));
  EXPECT_FALSE(
      CookieKeys::parse("qanat-cookie-key 1 99999999999 " + std::string(64, 'a') + "\n", 1));
  EXPECT_FALSE(CookieKeys::parse("qanat-cookie-key 1 0 " + std::string(64, 'a') + "\n", ~0U))
      << "that many hours are a mistake";
}

constexpr std::uint32_t present = 489531;  // in 2025

TEST(CookieKeys, FollowTheClockForward) {
  CookieKeys keys = CookieKeys::make(present);
  const CookieKeys before = keys;
  EXPECT_EQ(keys.follow(present * hour), CookieKeys::Turn::present);
  EXPECT_EQ(keys.follow((present + 1) * hour), CookieKeys::Turn::forward);
  EXPECT_EQ(keys.follow((present + 100) * hour + 5), CookieKeys::Turn::forward);
  EXPECT_EQ(keys.generation(), present + 100);
  EXPECT_TRUE(keys.same_chain(before)) << "whoever shared them can follow";
}

TEST(CookieKeys, AClockThatWasSetBackByHoursIsWaitedFor) {
  CookieKeys keys = CookieKeys::make(present);
  const CookieKeys before = keys;
  EXPECT_EQ(keys.follow((present - 1) * hour), CookieKeys::Turn::present);
  EXPECT_EQ(keys.follow((present - 2) * hour), CookieKeys::Turn::ahead);
  EXPECT_EQ(keys.follow((present - 24) * hour), CookieKeys::Turn::ahead);
  EXPECT_EQ(to_hex(keys.current()), to_hex(before.current())) << "no cookie is lost";
  EXPECT_EQ(keys.follow((present + 1) * hour), CookieKeys::Turn::forward);
  EXPECT_TRUE(keys.same_chain(before));
}

TEST(CookieKeys, AClockThatWasAheadOnceDoesNotEndTheirTurningForEver) {
  CookieKeys keys = CookieKeys::make(present);
  const CookieKeys sibling = keys;
  const std::uint64_t year_2038 = 2147483647;
  EXPECT_EQ(keys.follow(year_2038), CookieKeys::Turn::forward);
  EXPECT_EQ(keys.follow((present + 3) * hour), CookieKeys::Turn::anew);
  EXPECT_EQ(keys.generation(), present + 3);
  EXPECT_FALSE(keys.same_chain(sibling)) << "that one is gone: no chain goes back";
  EXPECT_EQ(keys.follow((present + 4) * hour), CookieKeys::Turn::forward);
  // By one hour more than is waited for.
  EXPECT_EQ(keys.follow((present + 4 - 25) * hour), CookieKeys::Turn::anew);
}

TEST(CookieKeys, AClockThatCannotBeRightChangesNothing) {
  CookieKeys keys = CookieKeys::make(present);
  const CookieKeys before = keys;
  const std::vector<std::uint64_t> wrong_times{0, 1700000000, CookieKeys::first_credible_second - 1,
                                               (present + 200ULL * 366 * 24) * hour,
                                               ~std::uint64_t{0}};
  for (const std::uint64_t wrong : wrong_times) {
    EXPECT_EQ(keys.follow(wrong), CookieKeys::Turn::unset) << wrong;
    EXPECT_EQ(to_hex(keys.current()), to_hex(before.current()));
  }
  EXPECT_EQ(keys.follow((present + 7) * hour), CookieKeys::Turn::forward) << "then it is set";
  EXPECT_TRUE(keys.same_chain(before));
}

}  // namespace
}  // namespace qanat::outlets
