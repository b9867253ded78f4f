#include "wire/trickle_session.h"

#include <gtest/gtest.h>

namespace qanat::wire {
namespace {

TEST(TrickleSession, IsReadAsItWasWritten) {
  TrickleSession session;
  session.port = 7749;
  session.lifetime = 3600;
  session.nonce.fill(9);
  session.cookies.resize(8);
  session.cookies[7].fill(3);
  const auto read = decode_trickle_session(encode(session));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->port, 7749);
  EXPECT_EQ(read->lifetime, 3600U);
  EXPECT_EQ(read->nonce, session.nonce);
  EXPECT_EQ(read->cookies, session.cookies);
}

TEST(TrickleSession, RefusesWhatItDoesNotUnderstand) {
  TrickleSession session;
  session.port = 7749;
  session.lifetime = 3600;
  session.cookies.resize(1);
  const std::string good = encode(session);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return decode_trickle_session(text.replace(text.find(from), from.size(), to)).has_value();
  };
  EXPECT_TRUE(with("7749", "7750"));
  EXPECT_FALSE(with("\"version\": 1", "\"version\": 2"));
  EXPECT_FALSE(with("\"suite\": 1", "\"suite\": 2"));
  EXPECT_FALSE(with("7749", "70000"));
  EXPECT_FALSE(with("7749", "-1"));
  EXPECT_FALSE(with("7749", "0"));
  EXPECT_FALSE(with("3600", "1e99"));
  EXPECT_FALSE(with("\"nonce\": \"AA", "\"nonce\": \""));
  EXPECT_FALSE(with("[\"AA", "[\""));
  for (const char* text : {"", "[]", "{}", "null", "{\"version\": 1}"}) {
    EXPECT_FALSE(decode_trickle_session(text)) << text;
  }
  for (const std::size_t many : {0U, 9U, 100U}) {
    session.cookies.resize(many);
    EXPECT_FALSE(decode_trickle_session(encode(session))) << many;
  }
}

}  // namespace
}  // namespace qanat::wire
