#include "wire/broker.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "support/noise.h"
#include "wire/broker_session.h"

namespace qanat::wire::broker {
namespace {

using test::Samples;

constexpr const char* password = "my_password1234123492348";

std::string repeated(std::size_t from, std::size_t count) {
  std::string text;
  while (text.size() < from + count) text += "qanat\n";
  return text.substr(from, count);
}

TEST(Broker, UnderstandsAndSaysWhatARealProducerDid) {
  std::ifstream file(std::string(TEST_DATA) + "/broker_vectors.txt");
  int cases = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    ++cases;
    Hello hello;
    std::string user;
    std::array<std::string, 5> hex;
    std::istringstream words(line);
    words >> hello.cipher >> hello.mac >> hello.hash >> hello.challenge >> user;
    for (std::string& each : hex) words >> each;
    std::array<Samples, 5> bytes;
    for (std::size_t i = 0; i < hex.size(); ++i) bytes[i] = *from_hex(hex[i]);

    EXPECT_EQ(to_hex(encode(hello)), hex[0]);
    const auto proof = prove(hello.hash, hello.challenge, password);
    EXPECT_EQ(to_hex(encode(Login{user, proof, true, "server_stream v2.9"})), hex[1]);
    Login login;
    std::size_t used = 0;
    ASSERT_EQ(decode(bytes[1], proof.size(), login, used), Status::complete);
    EXPECT_EQ(used, bytes[1].size());
    EXPECT_EQ(to_hex(login.proof), to_hex(proof));
    EXPECT_TRUE(login.delivers);
    Message offer;
    ASSERT_EQ(decode(bytes[2], offer, used), Status::complete);
    EXPECT_TRUE(offer.is(Code::deliver));
    EXPECT_EQ(offer.value, 32768U);

    Session broker_side(hello, password);
    Session producer_side(hello, password);
    std::size_t at = 0;
    for (std::size_t i = 3; i < 5; ++i) {
      Samples wire = bytes[i];
      const MutableBytes data = broker_side.open(wire);
      ASSERT_FALSE(data.empty()) << line;
      EXPECT_EQ(as_text(data), repeated(at, data.size()));
      Samples own(producer_side.digest_bytes() + data.size());
      std::copy(data.begin(), data.end(),
                own.begin() + static_cast<std::ptrdiff_t>(producer_side.digest_bytes()));
      producer_side.seal(own);
      EXPECT_EQ(to_hex(own), hex[i]);
      at += data.size();
    }
  }
  EXPECT_EQ(cases, 5);
}

TEST(Broker, EveryCutIsIncompleteAndEveryOtherVersionRefused) {
  const auto words = encode(Hello{"sha512", "md5", "aes", "12"});
  Hello hello;
  std::size_t used = 0;
  for (std::size_t n = 0; n < words.size(); ++n) {
    EXPECT_EQ(decode(Bytes(words).first(n), hello, used), Status::incomplete) << n;
  }
  EXPECT_EQ(decode(Bytes(words), hello, used), Status::complete);
  EXPECT_EQ(used, words.size());
  for (std::size_t i = 0; i < version.size(); ++i) {
    auto other = words;
    other[i] ^= 1;
    EXPECT_EQ(decode(Bytes(other), hello, used), Status::malformed);
  }
  EXPECT_EQ(decode(encode(Hello{"sha512", "md5", "aes", "12x"}), hello, used), Status::malformed);
  EXPECT_EQ(decode(encode(Hello{"sha512", "md5", "aes", "18446744073709551616"}), hello, used),
            Status::malformed);

  const Samples proof(64, 7);
  const auto answer = encode(Login{"joe", proof, false, "eb"});
  Login login;
  for (std::size_t n = 0; n < answer.size(); ++n) {
    EXPECT_EQ(decode(Bytes(answer).first(n), 64, login, used), Status::incomplete) << n;
  }
  EXPECT_EQ(decode(encode(Login{"", proof, false, "eb"}), 64, login, used), Status::malformed);
}

TEST(Broker, ALengthOfFourGigabytesIsMalformedAtOnce) {
  const Samples huge{0xff, 0xff, 0xff, 0xff};
  std::string_view text;
  std::size_t used = 0;
  EXPECT_EQ(decode_string(huge, text, used), Status::malformed);
  Login login;
  EXPECT_EQ(decode(huge, 64, login, used), Status::malformed);
  Samples hello(version.begin(), version.end());
  hello.insert(hello.end(), huge.begin(), huge.end());
  Hello out;
  EXPECT_EQ(decode(hello, out, used), Status::malformed);
}

TEST(Broker, MessagesAreFourDigitsAndANumber) {
  const auto words = encode(Code::empty, 0x01020304);
  EXPECT_EQ(to_hex(words), "3930303001020304");
  Message message;
  std::size_t used = 0;
  EXPECT_EQ(decode(Bytes(words).first(7), message, used), Status::incomplete);
  EXPECT_EQ(decode(words, message, used), Status::complete);
  EXPECT_TRUE(message.is(Code::empty));
  EXPECT_EQ(message.value, 0x01020304U);
  for (std::size_t i = 0; i < 4; ++i) {
    auto other = words;
    other[i] = 'x';
    EXPECT_EQ(decode(Bytes(other).first(i + 1), message, used), Status::malformed);
  }
}

TEST(Broker, APayloadThatWasAlteredIsNoneAndASealCanBeUndone) {
  const Hello hello{"sha512", "sha512", "blowfish", "77"};
  Session one(hello, password);
  Session other(hello, password);
  Samples frame(64 + 100, 9);
  one.seal(frame);
  Samples altered = frame;
  altered.back() ^= 1;
  EXPECT_TRUE(other.open(altered).empty());
  Session fresh(hello, password);
  one.unseal_last();
  Samples again(64 + 100, 9);
  one.seal(again);
  EXPECT_EQ(frame, again);
  EXPECT_EQ(fresh.open(again).size(), 100U);
  Samples tiny(10);
  EXPECT_TRUE(fresh.open(tiny).empty());
}

TEST(Broker, EveryCipherAndHashThatItNamesIsThere) {
  for (const char* cipher : {"aes", "3des", "blowfish", "camellia"}) {
    for (const char* hash : {"md5", "ripemd160", "sha512", "whirlpool"}) {
      const Hello hello{hash, hash, cipher, "1"};
      Session a(hello, password);
      Session b(hello, password);
      Samples frame(a.sealed_bytes(50), 3);
      a.seal(frame);
      EXPECT_EQ(b.open(frame).size(), 50U) << cipher << " " << hash;
    }
  }
  EXPECT_THROW(Session({"sha512", "sha512", "rot13", "1"}, password), Failure);
  EXPECT_THROW(Session({"sha512", "crc", "aes", "1"}, password), Failure);
  EXPECT_THROW(Session({"sha512", "md5", "blowfish", "1"}, "abc"), Failure) << "too short a key";
}

TEST(Broker, ReadsItsUsersFileAndSaysWhereItIsWrong) {
  const auto users = parse_users("# ours\njoe_user|my password|3072\r\n\nbla|blo\nx|y|\n");
  ASSERT_TRUE(users);
  ASSERT_EQ(users->size(), 3U);
  EXPECT_EQ(users->at(0).name, "joe_user");
  EXPECT_EQ(users->at(0).password, "my password");
  EXPECT_EQ(users->at(0).bits_per_second, 3072U);
  EXPECT_EQ(users->at(1).bits_per_second, 0U);
  for (const char* wrong : {"joe", "|x|1", "joe||1", "joe|x|many", "joe|x|1x", "a|b|1\na|c|1"}) {
    const auto none = parse_users(wrong);
    ASSERT_FALSE(none) << wrong;
    EXPECT_TRUE(none.error().message.starts_with("line ")) << none.error().message;
  }
  EXPECT_EQ(parse_password_file("joe\nsecret\n", "joe")->password, "secret");
  EXPECT_EQ(parse_password_file("secret\n", "joe")->password, "secret");
  EXPECT_FALSE(parse_password_file("jim\nsecret\n", "joe"));
  EXPECT_FALSE(parse_password_file("", "joe"));
  const auto account = parse_account("//joe:/etc/qanat/joe@[::1]:1234");
  ASSERT_TRUE(account);
  EXPECT_EQ(account->user, "joe");
  EXPECT_EQ(account->password_file, "/etc/qanat/joe");
  EXPECT_EQ(account->address.text(), "[::1]:1234");
  EXPECT_EQ(parse_account("//joe:f@host")->address.port, 55225);
  for (const char* wrong : {"//host:1", "//joe@host:1", "joe:f@host", "//:f@host", "//joe:@host"}) {
    EXPECT_FALSE(parse_account(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace qanat::wire::broker
