#include "wire/entropykey.h"

#include <gtest/gtest.h>

#include "support/entropykey_device.h"
#include "support/noise.h"
#include "wire/entropykey_session.h"

namespace qanat::wire::entropykey {
namespace {

using test::EntropyKeyDevice;

constexpr std::array<std::uint8_t, nonce_bytes> some_nonce{9, 9, 9};

class EntropyKeySession : public testing::Test {
 protected:
  EntropyKeyDevice device_;
  Session session_;

  void begin() {
    session_.reset();
    EXPECT_EQ(says(device_.hello()), std::vector{What::serial});
    EXPECT_EQ(says(device_.answer_rekey(session_.rekey(device_.long_term_key, some_nonce))),
              std::vector{What::keyed});
  }
  std::vector<What> says(std::string_view bytes) {
    std::vector<What> all;
    session_.feed(as_bytes(bytes));
    while (const auto event = session_.next()) all.push_back(event->what);
    return all;
  }
};

TEST(EntropyKeyFrames, AreFoundAgainAfterAnyGarbage) {
  const std::string frame = EntropyKeyDevice().hello();
  ASSERT_EQ(frame.size(), frame_bytes);
  EXPECT_EQ(frame, "* S!AANwBvBlg3OTBJORFD                                Al/Smw1b\r\n");
  for (const std::string& garbage :
       {std::string(), std::string("*"), std::string("* "), std::string("* * * "),
        std::string(200, '*'), std::string("\r\n"), frame.substr(0, 40), frame.substr(1)}) {
    for (std::size_t piece : {1U, 7U, 64U, 1000U}) {
      FrameReader reader;
      std::string line = garbage + frame + garbage + frame;
      unsigned found = 0;
      for (std::size_t at = 0; at < line.size(); at += piece) {
        reader.feed(as_bytes(std::string_view(line).substr(at, piece)));
        while (const auto whole = reader.next()) found += *whole == frame ? 1 : 0;
      }
      EXPECT_EQ(found, 2U) << garbage << " in pieces of " << piece;
      EXPECT_EQ(reader.garbage(), 2 * garbage.size());
    }
  }
}

TEST_F(EntropyKeySession, DeciphersWhatTheDeviceSeals) {
  begin();
  for (unsigned seed = 0; seed < 5; ++seed) {
    const auto data = test::uniform(data_bytes, seed);
    EXPECT_EQ(says(device_.entropy(data)), std::vector{What::entropy});
    EXPECT_EQ(to_hex(session_.entropy()), to_hex(data));
  }
  EXPECT_EQ(session_.skipped(), 0U);
  EXPECT_EQ(says(device_.frame("k>Please re-key.")), std::vector{What::wants_key});
}

TEST_F(EntropyKeySession, DropsAllUntilTheDeviceSaysWhoItIs) {
  begin();
  const auto data = test::uniform(data_bytes, 1);
  const std::string old = device_.entropy(data);
  session_.reset();
  EXPECT_TRUE(says(old + "garbage" + old).empty());
  EXPECT_EQ(says(old + device_.hello()), std::vector{What::serial});
  EXPECT_EQ(to_text(session_.serial()), "NwBvBlg3OTBJORFD");
  EXPECT_EQ(says(old), std::vector{What::wrong}) << "of the session before";
}

TEST_F(EntropyKeySession, EveryBitOfAFrameIsSigned) {
  begin();
  const std::string frame = device_.entropy(test::uniform(data_bytes, 1));
  for (std::size_t i = 2; i < frame_bytes - 2; ++i) {
    std::string spoiled = frame;
    spoiled[i] = spoiled[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(says(spoiled), std::vector{What::wrong}) << i;
  }
  EXPECT_EQ(says(frame), std::vector{What::entropy}) << "it was not used up";
}

TEST_F(EntropyKeySession, AFrameCountsOnce) {
  begin();
  const auto data = test::uniform(data_bytes, 1);
  const std::string first = device_.entropy(data);
  const std::string second = device_.entropy(data);
  const std::string third = device_.entropy(data);
  const std::string fourth = device_.entropy(data);
  EXPECT_EQ(says(first + first), (std::vector{What::entropy, What::replayed}));
  EXPECT_EQ(says(fourth + second + third),
            (std::vector{What::entropy, What::replayed, What::replayed}));
  EXPECT_EQ(session_.skipped(), 2U);
}

TEST_F(EntropyKeySession, WithoutASessionNobodysEntropyIsTaken) {
  session_.reset();
  says(device_.hello());
  // The key is all zeros then: anybody can make this frame.
  EXPECT_EQ(says(device_.entropy(test::uniform(data_bytes, 1))), std::vector{What::wrong});
}

TEST_F(EntropyKeySession, AnotherLongTermKeyMakesAnotherSession) {
  session_.reset();
  says(device_.hello());
  const std::string answer = device_.answer_rekey(session_.rekey(device_.master_key, some_nonce));
  EXPECT_EQ(says(answer), std::vector{What::keyed});
  EXPECT_EQ(says(device_.entropy(test::uniform(data_bytes, 1))), std::vector{What::wrong});
}

TEST_F(EntropyKeySession, AnAnswerToAnotherNonceIsRefused) {
  session_.reset();
  says(device_.hello());
  for (const unsigned length : {0U, static_cast<unsigned>(nonce_bytes)}) {
    EXPECT_EQ(says(device_.binary('K', length, device_.long_term_key)), std::vector{What::wrong})
        << "nothing was asked";
  }
  const std::string command = session_.rekey(device_.long_term_key, some_nonce);
  EXPECT_EQ(says(device_.binary('K', nonce_bytes - 1, device_.long_term_key)),
            std::vector{What::wrong});
}

TEST_F(EntropyKeySession, SetsALongTermKey) {
  session_.reset();
  says(device_.hello());
  const std::string proof = session_.unlock(device_.master_key, some_nonce);
  EXPECT_EQ(proof.size(), 9U);
  EXPECT_EQ(says(device_.frame("M>Long-term rekey unlocked")), std::vector{What::unlocked});
  const auto before = device_.long_term_key;
  EXPECT_EQ(
      says(device_.answer_long_term(session_.set_long_term_key(device_.master_key, some_nonce))),
      std::vector{What::long_term_keyed});
  EXPECT_EQ(to_hex(session_.long_term_key()), to_hex(device_.long_term_key));
  EXPECT_NE(to_hex(before), to_hex(device_.long_term_key));
}

TEST(EntropyKeyInformation, IsReadAsTheDescriptionHasIt) {
  auto said = parse_information("T03150 V03254");
  EXPECT_DOUBLE_EQ(said.readings["temperature_kelvin"], 315.0);
  EXPECT_DOUBLE_EQ(said.readings["supply_volts"], 3.254);
  EXPECT_FALSE(said.failure);
  said = parse_information("F07342:00005:00001:00003:00002");
  EXPECT_EQ(said.readings["fips_frames"], 7342);
  EXPECT_EQ(said.readings["fips_failed"], 5);
  EXPECT_EQ(said.readings["fips_monobit_failed"], 1);
  EXPECT_EQ(said.readings["fips_poker_failed"], 3);
  EXPECT_EQ(said.readings["fips_runs_failed"], 2);
  said = parse_information("S08052:23751:23792:23584:07112:20876:08063:24150:A");
  EXPECT_NEAR(said.readings["raw_shannons_per_byte_left"], 23751. / 8052, 1e-9);
  EXPECT_NEAR(said.readings["debiased_shannons_per_byte_right"], 24150. / 8063, 1e-9);
  EXPECT_EQ(said.failure, 'A');
  for (const char* nonsense : {"", " ", "T", "Tx", "T1:2", "F1:2", "S", "S:", "S0:0:0:0:0:0:0:0:00",
                               "T99999999999", "Q12", "S:::::::::0"}) {
    EXPECT_TRUE(parse_information(nonsense).readings.empty()) << nonsense;
  }
  EXPECT_TRUE(parse_information("S0:0:0:0:0:0:0:0:3").readings.empty()) << "no division by zero";
}

TEST(EntropyKeyInformation, AFailureIsSaidInWords) {
  EXPECT_EQ(describe_failure('3', {}), "its generators are correlated");
  EXPECT_EQ(describe_failure('7', {{"temperature_kelvin", 262.1}}), "it is too cold: 262.1 K");
  EXPECT_EQ(describe_failure('B', {{"supply_volts", 3.9}}),
            "its supply voltage is too high: 3.900 V");
  EXPECT_EQ(describe_failure('7', {}), "it is too cold");
  EXPECT_EQ(describe_failure('\x1b', {}), "it reports a fail mode that is not known: '?'");
}

// The digits that ekey-setkey accepts behind 32 zeros, and behind 0 to 31.
TEST(EntropyKeyMasterKey, IsReadAsItIsPrinted) {
  std::string why;
  std::vector<std::uint8_t> zeros(33);
  zeros.back() = 175;
  std::vector<std::uint8_t> rising(33);
  for (std::uint8_t i = 0; i < 32; ++i) rising[i] = i;
  rising.back() = 80;
  EXPECT_EQ(parse_master_key(as_bytes(to_base64(zeros)), why).size(), key_bytes);
  std::string spaced;
  for (const char c : to_base64(rising)) {
    spaced += c;
    spaced += ' ';
  }
  const SecretBytes key = parse_master_key(as_bytes(spaced + "\n"), why);
  EXPECT_EQ(to_hex(key.view()), to_hex(Bytes(rising).first(32)));
  EXPECT_EQ(parse_master_key(as_bytes(to_base64(Bytes(rising).first(32))), why).size(), key_bytes)
      << "without a check digit";
  rising[0] = 1;
  EXPECT_TRUE(parse_master_key(as_bytes(to_base64(rising)), why).empty());
  EXPECT_NE(why.find("mistyped"), std::string::npos);
  for (const std::string& none : {std::string(), std::string("AAAA"), std::string(44, '!'),
                                  std::string(500, 'A'), std::string(43, 'A')}) {
    EXPECT_TRUE(parse_master_key(as_bytes(none), why).empty());
  }
}

TEST(EntropyKeySerial, IsSixteenCharacters) {
  EXPECT_TRUE(parse_serial("NwBvBlg3OTBJORFD"));
  for (const char* none :
       {"", "NwBvBlg3OTBJORF", "NwBvBlg3OTBJORFDx", "NwBvBlg3OTBJORF=", "NwBvBlg3-TBJORFD"}) {
    EXPECT_FALSE(parse_serial(none)) << none;
  }
}

}  // namespace
}  // namespace qanat::wire::entropykey
