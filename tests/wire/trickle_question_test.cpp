#include "wire/trickle_question.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "support/noise.h"

namespace qanat::wire::trickle {
namespace {

using test::Samples;
using namespace std::chrono_literals;

// A client with so many cookies, and a server that answers what the test lets through.
class QuestionTest : public testing::Test {
 protected:
  Question ask(std::size_t cookies, unsigned wanted = 2) {
    cookies_ = cookies;
    return Question(
        {64, Grade::full_or_drbg, wanted},
        [this]() -> std::optional<KeyedCookie> {
          if (taken_ == cookies_) return std::nullopt;
          KeyedCookie held{{}, SecretBytes(keys_of(taken_))};
          held.cookie[0] = static_cast<std::uint8_t>(taken_++);
          return held;
        },
        [this](MutableBytes out) {
          for (auto& byte : out) byte = static_cast<std::uint8_t>(random_());
        });
  }
  static Samples keys_of(std::size_t cookie) { return test::uniform(keys_bytes, 100 + cookie); }
  static std::size_t cookie_of(const std::vector<std::uint8_t>& datagram) {
    return decode_request(datagram)->cookie[0];
  }
  Samples reply(const std::vector<std::uint8_t>& datagram, std::size_t bytes = 64,
                unsigned cookies = 2) {
    Request request = *decode_request(datagram);
    Samples out(most_datagram);
    const Samples keys = keys_of(request.cookie[0]);
    ++replies_;
    out.resize(encode_reply(request, Grade::full, test::uniform(bytes, replies_),
                            std::vector<Cookie>(cookies), test::uniform(cookies * 32, replies_),
                            Bytes(keys).last(key_bytes), {}, out));
    return out;
  }

  std::size_t cookies_ = 0;
  std::size_t taken_ = 0;
  std::uint64_t replies_ = 0;
  std::mt19937 random_{7};
  TimePoint now_{};
  Answer answer_;
};

TEST_F(QuestionTest, OneDatagramAndItsAnswer) {
  Question question = ask(8);
  const auto datagram = question.due(now_);
  ASSERT_TRUE(datagram);
  EXPECT_FALSE(question.due(now_)) << "one at a time";
  ASSERT_TRUE(question.take(reply(*datagram), answer_));
  EXPECT_EQ(to_hex(answer_.entropy()), to_hex(test::uniform(64, 1)));
  const auto fresh = question.fresh(answer_);
  ASSERT_EQ(fresh.size(), 2U);
  Samples expected(keys_bytes);
  next_keys(keys_of(0), Bytes(test::uniform(64, 1)).first(32), expected);
  EXPECT_EQ(to_hex(fresh[0].keys.view()), to_hex(expected));
  EXPECT_EQ(taken_, 1U);
  EXPECT_FALSE(question.due(now_ + 1h));
  EXPECT_FALSE(question.take(reply(*datagram), answer_)) << "an answer is taken once";
}

TEST_F(QuestionTest, SilenceIsAskedFiveTimesEachLaterAndWithANewId) {
  // From half to one and a half times these.
  const std::vector<Duration> usual{250ms, 500ms, 1s, 2s, 2s};
  std::set<Duration> waits;
  for (int round = 0; round < 50; ++round) {
    taken_ = 0;
    Question question = ask(8);
    std::set<Id> ids;
    std::vector<std::size_t> cookies;
    TimePoint now = now_;
    for (const Duration wait : usual) {
      ASSERT_FALSE(question.over(now));
      const auto datagram = question.due(now);
      ASSERT_TRUE(datagram);
      EXPECT_TRUE(ids.insert(decode_request(*datagram)->id).second);
      cookies.push_back(cookie_of(*datagram));
      EXPECT_GE(question.next() - now, wait / 2);
      EXPECT_LE(question.next() - now, wait * 3 / 2);
      waits.insert(question.next() - now);
      EXPECT_FALSE(question.due(question.next() - 1ns));
      now = question.next();
    }
    EXPECT_EQ(cookies, (std::vector<std::size_t>{0, 0, 1, 1, 1}));
    EXPECT_FALSE(question.due(now));
    EXPECT_TRUE(question.over(now));
    EXPECT_EQ(question.unspent().size(), 2U);
  }
  EXPECT_GT(waits.size(), 200U) << "no two clients in step";
}

TEST_F(QuestionTest, ALateAnswerIsAsGoodAndItsOwnCookieCounts) {
  Question question = ask(8);
  std::vector<std::vector<std::uint8_t>> sent;
  for (int i = 0; i < 4; ++i) {
    sent.push_back(*question.due(now_));
    now_ = question.next();
  }
  ASSERT_TRUE(question.take(reply(sent[1]), answer_));
  Samples expected(keys_bytes);
  next_keys(keys_of(0), answer_.fresh(0), expected);
  EXPECT_EQ(to_hex(question.fresh(answer_)[0].keys.view()), to_hex(expected));
}

TEST_F(QuestionTest, OneCookieHasToDo) {
  Question question = ask(1);
  for (int i = 0; i < 5; ++i) {
    const auto datagram = question.due(now_);
    ASSERT_TRUE(datagram);
    EXPECT_EQ(cookie_of(*datagram), 0U);
    now_ = question.next();
  }
  EXPECT_TRUE(question.over(now_));
  Question none = ask(1);
  EXPECT_FALSE(none.due(now_)) << "there is none left";
  EXPECT_TRUE(none.over(now_));
  EXPECT_EQ(none.sent(), 0U);
}

TEST_F(QuestionTest, StrangersAnswerNothing) {
  Question question = ask(8);
  const auto datagram = *question.due(now_);
  Question other = ask(8);
  (void)other.due(now_);
  EXPECT_FALSE(question.take({}, answer_));
  EXPECT_FALSE(question.take(datagram, answer_)) << "an echo";
  EXPECT_FALSE(question.take(reply(*ask(8).due(now_)), answer_)) << "another question's";
  EXPECT_FALSE(question.take(reply(datagram, 65, 1), answer_)) << "more than was asked for";
  EXPECT_FALSE(question.take(reply(datagram, 64, 3), answer_));
  for (std::size_t i = 0; i < 100; ++i) {
    Samples bent = reply(datagram);
    bent[i * 3 % bent.size()] ^= 1;
    EXPECT_FALSE(question.take(bent, answer_)) << i;
  }
  EXPECT_TRUE(question.take(reply(datagram, 32, 1), answer_)) << "less is an answer";
}

}  // namespace
}  // namespace qanat::wire::trickle
