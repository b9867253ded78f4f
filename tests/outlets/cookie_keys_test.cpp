#include "outlets/cookie_keys.h"

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

}  // namespace
}  // namespace qanat::outlets
