#include "wire/trickle.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "support/noise.h"
#include "support/trickle_answer.h"

namespace qanat::wire::trickle {
namespace {

using test::Samples;

// Recognisable bytes, as tests/data/make_trickle_vectors makes them.
Samples run(unsigned start, std::size_t size) {
  Samples bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(start + i);
  return bytes;
}
template <std::size_t N>
std::array<std::uint8_t, N> array_of(unsigned start) {
  std::array<std::uint8_t, N> out{};
  const Samples bytes = run(start, N);
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

class TrickleTest : public testing::Test {
 protected:
  TrickleTest() {
    ticket_.client_class = ClientClass::invited;
    ticket_.session = generation_ - 5;
    ticket_.client = client_id("router", run(60, 32));
    const Samples keys = run(100, keys_bytes);
    std::copy(keys.begin(), keys.end(), ticket_.keys.data());
    cookie_ = seal_cookie(cookie_key_, generation_, array_of<nonce_bytes>(200), ticket_);
    request_ = {.grade = Grade::full_or_drbg,
                .cookies = 1,
                .bytes = 64,
                .id = array_of<id_bytes>(50),
                .cookie = cookie_};
    datagram_ = encode_request(request_, c2s());
    reply_.resize(reply_bytes(64, 1));
    encode_reply(request_, Grade::full, run(33, 64), {{cookie_}}, run(9, fresh_bytes), s2c(),
                 array_of<nonce_bytes>(77), reply_);
    refusal_.resize(refusal_bytes);
    encode_refusal(request_, Reason::dry, 300, s2c(), array_of<nonce_bytes>(78), refusal_);
  }
  Bytes c2s() const { return ticket_.keys.view().first(key_bytes); }
  Bytes s2c() const { return ticket_.keys.view().last(key_bytes); }

  const Samples cookie_key_ = run(1, key_bytes);
  const std::uint32_t generation_ = 489531;
  CookieContent ticket_;
  Cookie cookie_{};
  Request request_;
  std::vector<std::uint8_t> datagram_;
  Samples reply_;
  Samples refusal_;
};

TEST_F(TrickleTest, AgreesWithAnImplementationMadeFromThePage) {
  std::map<std::string, std::string> expected;
  std::ifstream file(TEST_DATA "/trickle_vectors.txt");
  for (std::string name, hex; file >> name >> hex;) expected[name] = hex;
  ASSERT_EQ(expected.size(), 8U);
  EXPECT_EQ(to_hex(client_id("router", run(60, 32))), expected["client_id"]);
  EXPECT_EQ(to_hex(client_id("router", {})), expected["certified_id"]);
  EXPECT_EQ(to_hex(cookie_), expected["cookie"]);
  EXPECT_EQ(to_hex(datagram_), expected["request"]);
  EXPECT_EQ(to_hex(reply_), expected["reply"]);
  EXPECT_EQ(to_hex(refusal_), expected["refusal"]);
  Samples next(keys_bytes);
  next_keys(ticket_.keys.view(), run(9, fresh_bytes), next);
  EXPECT_EQ(to_hex(next), expected["next_keys"]);
  Samples next_key(key_bytes);
  next_cookie_key(cookie_key_, next_key);
  EXPECT_EQ(to_hex(next_key), expected["next_cookie_key"]);
}

TEST_F(TrickleTest, ACookieGivesItsServerWhatItSealed) {
  CookieContent opened;
  ASSERT_TRUE(open_cookie(cookie_key_, cookie_, opened));
  EXPECT_EQ(generation_of(cookie_), generation_);
  EXPECT_EQ(opened.client_class, ClientClass::invited);
  EXPECT_EQ(opened.session, generation_ - 5);
  EXPECT_EQ(opened.client, ticket_.client);
  EXPECT_EQ(to_hex(opened.keys.view()), to_hex(ticket_.keys.view()));
  EXPECT_FALSE(open_cookie(run(2, key_bytes), cookie_, opened));
}

TEST_F(TrickleTest, AQuestionArrivesAsItWasAsked) {
  const auto decoded = decode_request(datagram_);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->grade, Grade::full_or_drbg);
  EXPECT_EQ(decoded->cookies, 1U);
  EXPECT_EQ(decoded->bytes, 64U);
  EXPECT_EQ(decoded->id, request_.id);
  EXPECT_EQ(decoded->cookie, cookie_);
  EXPECT_TRUE(authentic(datagram_, c2s()));
  EXPECT_FALSE(authentic(datagram_, s2c()));
}

TEST_F(TrickleTest, AnAnswerFitsItsQuestionAndGivesWhatItHolds) {
  EXPECT_LE(reply_.size(), datagram_.size());
  EXPECT_LE(refusal_.size(), datagram_.size());
  const auto answer = test::answer_of(reply_, request_.id, s2c());
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->refused);
  EXPECT_EQ(answer->grade, Grade::full);
  EXPECT_EQ(to_hex(answer->entropy()), to_hex(run(33, 64)));
  EXPECT_EQ(to_hex(answer->fresh(0)), to_hex(run(9, fresh_bytes)));
  EXPECT_EQ(answer->cookie(0), cookie_);
  const auto refused = test::answer_of(refusal_, request_.id, s2c());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->refused, Reason::dry);
  EXPECT_EQ(refused->wait_seconds, 300U);
  // Of a later version, perhaps; and none.
  encode_refusal(request_, static_cast<Reason>(200), 1, s2c(), array_of<nonce_bytes>(78), refusal_);
  const auto unknown = test::answer_of(refusal_, request_.id, s2c());
  ASSERT_TRUE(unknown);
  EXPECT_EQ(static_cast<unsigned>(*unknown->refused), 200U);
  encode_refusal(request_, static_cast<Reason>(0), 1, s2c(), array_of<nonce_bytes>(78), refusal_);
  EXPECT_FALSE(test::answer_of(refusal_, request_.id, s2c()));
}

TEST_F(TrickleTest, NoQuestionIsSmallerThanItsAnswer) {
  for (unsigned cookies = 0; cookies <= most_cookies; ++cookies) {
    for (std::size_t bytes = 1; reply_bytes(bytes, cookies) <= most_datagram; bytes += 13) {
      Request request = request_;
      request.cookies = cookies;
      request.bytes = bytes;
      const auto datagram = encode_request(request, c2s());
      EXPECT_GE(datagram.size(), reply_bytes(bytes, cookies));
      EXPECT_LE(datagram.size(), most_datagram);
      EXPECT_TRUE(decode_request(datagram)) << bytes << " " << cookies;
    }
  }
  EXPECT_LE(reply_bytes(1, most_cookies), most_datagram);
}

TEST_F(TrickleTest, EveryCutOfEveryPacketIsRefused) {
  for (std::size_t size = 0; size < datagram_.size(); ++size) {
    EXPECT_FALSE(decode_request(Bytes(datagram_).first(size))) << size;
  }
  for (std::size_t size = 0; size < reply_.size(); ++size) {
    EXPECT_FALSE(test::answer_of(Bytes(reply_).first(size), request_.id, s2c())) << size;
  }
  for (std::size_t size = 0; size < refusal_.size(); ++size) {
    EXPECT_FALSE(test::answer_of(Bytes(refusal_).first(size), request_.id, s2c())) << size;
  }
}

TEST_F(TrickleTest, EveryFlippedBitIsNoticed) {
  const auto for_each_flip = [](auto packet, const auto& check) {
    for (std::size_t bit = 0; bit < 8 * packet.size(); ++bit) {
      packet[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      check(packet, bit);
      packet[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    }
  };
  for_each_flip(datagram_, [&](const auto& packet, std::size_t bit) {
    const auto decoded = decode_request(packet);
    CookieContent opened;
    EXPECT_FALSE(decoded && open_cookie(cookie_key_, decoded->cookie, opened) &&
                 authentic(packet, opened.keys.view().first(key_bytes)))
        << bit;
  });
  for_each_flip(reply_, [&](const auto& packet, std::size_t bit) {
    EXPECT_FALSE(test::answer_of(packet, request_.id, s2c())) << bit;
  });
  for_each_flip(refusal_, [&](const auto& packet, std::size_t bit) {
    EXPECT_FALSE(test::answer_of(packet, request_.id, s2c())) << bit;
  });
  for_each_flip(cookie_, [&](const Cookie& cookie, std::size_t bit) {
    CookieContent opened;
    EXPECT_FALSE(open_cookie(cookie_key_, cookie, opened)) << bit;
  });
}

TEST_F(TrickleTest, AnswersToOtherQuestionsAndUnderOtherKeysAreNone) {
  EXPECT_FALSE(test::answer_of(reply_, array_of<id_bytes>(51), s2c()));
  EXPECT_FALSE(test::answer_of(reply_, request_.id, c2s()));
  EXPECT_FALSE(test::answer_of(datagram_, request_.id, s2c())) << "a question is no answer";
}

TEST_F(TrickleTest, SaysWhyItDropsWhatIsNoQuestion) {
  EXPECT_EQ(decode_request(Samples(least_request - 1)).error(), Drop::too_short);
  EXPECT_EQ(decode_request(Samples(most_datagram + 1)).error(), Drop::too_long);
  EXPECT_EQ(decode_request(Samples(least_request)).error(), Drop::malformed);
  const auto changed = [&](std::size_t at, std::uint8_t value) {
    auto datagram = datagram_;
    datagram[at] = value;
    return decode_request(datagram).error();
  };
  EXPECT_EQ(changed(2, 2), Drop::malformed) << "a later version";
  EXPECT_EQ(changed(3, 2), Drop::malformed) << "a reply";
  EXPECT_EQ(changed(4, 2), Drop::malformed) << "another suite";
  EXPECT_EQ(changed(5, 4), Drop::malformed) << "no grade";
  EXPECT_EQ(changed(6, 8), Drop::malformed) << "too many cookies";
  EXPECT_EQ(changed(6, 2), Drop::padding) << "more cookies than it has room for";
  EXPECT_EQ(changed(8, 1), Drop::padding) << "more bytes";
  EXPECT_EQ(changed(200, 1), Drop::malformed) << "padding that is none";
}

TEST_F(TrickleTest, TwoCopiesOfAClientPartWithTheirFirstReplies) {
  // The same request, byte for byte; the server draws entropy, fresh bytes and nonce anew.
  std::array<Samples, 2> keys;
  std::array<std::string, 2> entropy;
  for (unsigned copy = 0; copy < 2; ++copy) {
    Samples reply(reply_bytes(64, 1));
    encode_reply(request_, Grade::drbg, test::uniform(64, copy), {{cookie_}},
                 test::uniform(fresh_bytes, 10 + copy), s2c(), array_of<nonce_bytes>(copy), reply);
    const auto answer = test::answer_of(reply, request_.id, s2c());
    ASSERT_TRUE(answer);
    entropy[copy] = to_hex(answer->entropy());
    keys[copy].resize(keys_bytes);
    next_keys(ticket_.keys.view(), answer->fresh(0), keys[copy]);
  }
  EXPECT_NE(entropy[0], entropy[1]);
  EXPECT_NE(to_hex(keys[0]), to_hex(keys[1]));
}

}  // namespace
}  // namespace qanat::wire::trickle
