#include "crypto/skein.h"

#include <gtest/gtest.h>

#include <vector>

namespace qanat::crypto {
namespace {

// The device of the public description: its serial number, and the key that holds before a session.
std::vector<std::uint8_t> zero_session() {
  std::vector<std::uint8_t> key = *from_base64url("NwBvBlg3OTBJORFD");
  key.resize(44);
  return key;
}

constexpr std::string_view mac_words =
    "20090609 support@simtec.co.uk EntropyKey/v1/MessageAuthenticationCodeState                    "
    "  ";

std::string short_mac(std::string_view message) {
  Skein256 skein(zero_session(), mac_words);
  std::array<std::uint8_t, 32> out{};
  skein.update(as_bytes(message));
  skein.finish_without_output(out);
  return to_base64(Bytes(out).first(3)) + to_base64(Bytes(out).last(3));
}

std::string padded(std::string text) {
  text.resize(52, ' ');
  return text;
}

// Frames of the manufacturer's description of the protocol (README.protocol of Debian's ekeyd).
TEST(Skein256, AnswersAsTheDevicesOfTheDescription) {
  ASSERT_EQ(mac_words.size(), 96U);
  const std::vector<std::pair<std::string, std::string>> known{
      {"S!AANwBvBlg3OTBJORFD", "Al/Smw1b"},
      {"k>Unable to send entropy. Please re-key session.", "VqrrSb4k"},
      {"I>T03143 V03254", "apKTNVoy"},
      {"I>F07342:00000:00000:00000:00000", "1L9eG/G8"},
      {"I>S08052:23751:23792:23584:07112:20876:08063:24150:0", "Sr3rR9o3"},
      {"K!AA6XxLwelzehWDH8ofVA7moL76KiQj0ruKmqs9T7ygW/Q=", "Qkbxfpr4"},
      {"l>Nonce MAC does not match", "6l+FxwYn"},
      {"W>Unknown Input Character 0x65", "TRNC7UwS"},
  };
  for (const auto& [content, mac] : known) EXPECT_EQ(short_mac(padded(content)), mac) << content;
}

TEST(Skein256, AMessageInPiecesIsTheSameMessage) {
  const std::string message(100, 'x');
  for (std::size_t cut = 0; cut <= message.size(); ++cut) {
    std::array<std::uint8_t, 32> whole{};
    std::array<std::uint8_t, 32> parts{};
    Skein256 one(zero_session(), mac_words);
    one.update(as_bytes(message));
    one.finish(whole);
    Skein256 two(zero_session(), mac_words);
    two.update(as_bytes(message).first(cut));
    two.update(as_bytes(message).subspan(cut));
    two.finish(parts);
    EXPECT_EQ(to_hex(whole), to_hex(parts)) << cut;
  }
}

// From tests/acceptance/entropykey_emulator.py, whose entropy Debian's ekeyd deciphers.
TEST(Skein256, TheHashIsAnotherThanTheMac) {
  Skein256 skein(zero_session(), mac_words);
  std::array<std::uint8_t, 32> out{};
  skein.update(as_bytes("AA"));
  skein.finish(out);
  EXPECT_EQ(to_hex(out), "166de85a9ab4868f1b5e473604c561d59a2bdc9058fa75f9679d8de90abf2960");
}

}  // namespace
}  // namespace qanat::crypto
