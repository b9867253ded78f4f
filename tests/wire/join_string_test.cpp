#include <gtest/gtest.h>

#include "wire/join_string.h"

namespace qanat::wire {
namespace {

JoinString example() {
  JoinString join;
  join.name = "router";
  join.address = {"hub.example.org", 7749};
  for (std::size_t i = 0; i < join.pin.size(); ++i) join.pin[i] = static_cast<std::uint8_t>(i);
  join.key = SecretBytes(32);
  join.key.view()[0] = 99;
  return join;
}

TEST(JoinString, ComesBackWhole) {
  const std::string text = encode(example());
  EXPECT_EQ(text.find_first_of(" \n\"'$&"), std::string::npos) << "one word for a shell";
  const auto join = decode_join_string(text);
  ASSERT_TRUE(join) << join.error().message;
  EXPECT_EQ(join->name, "router");
  EXPECT_EQ(join->address.text(), "hub.example.org:7749");
  EXPECT_EQ(join->pin, example().pin);
  EXPECT_EQ(join->key.view()[0], 99);
}

TEST(JoinString, EveryCutAndEveryAlterationIsNoticed) {
  const std::string text = encode(example());
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(decode_join_string(text.substr(0, length))) << length;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string altered = text;
    altered[i] = altered[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(decode_join_string(altered)) << i;
  }
  EXPECT_NE(decode_join_string("qanat2.xyz").error().message.find("another version"),
            std::string::npos);
}

TEST(JoinString, IsTakenAsPagesAndMailsWrapIt) {
  const std::string text = encode(example());
  const std::string wrapped =
      text.substr(0, 76) + "\r\n" + text.substr(76, 50) + "\n  " + text.substr(126) + "\n";
  for (const std::string& given :
       {text, text + "\n", text + "\r\n", "  " + text + "  ", "\xef\xbb\xbf" + text + "\n",
        "\"" + text + "\"\n", "'" + text + "'", "“" + text + "”", "« " + text + " »",
        "<" + text + ">", wrapped, "\"" + wrapped + "\"", text + "\n# of the hub\n", "> " + text,
        ">> " + text + "\n", "> " + text.substr(0, 60) + "\n> " + text.substr(60) + "\n"}) {
    EXPECT_EQ(untangled(given), text) << given;
  }
  EXPECT_EQ(untangled("\"" + text), "\"" + text) << "not clear";
  EXPECT_NE(decode_join_string(text + "\"").error().message.find("remove the quotes"),
            std::string::npos);
  EXPECT_EQ(untangled(" https://hub:1 "), "https://hub:1");
  EXPECT_EQ(untangled("\"other\""), "\"other\"") << "no join string: as it is";
  EXPECT_EQ(untangled(text.substr(0, 60) + "\n" + text.substr(61)),
            text.substr(0, 60) + "\n" + text.substr(61))
      << "damaged";
  EXPECT_EQ(untangled(""), "");
  EXPECT_EQ(untangled("> other"), "> other");
  for (const char* between : {" ", "\n", "\n\n# the other hub\n"}) {
    EXPECT_EQ(untangled(text + between + text), text + between + text) << "two";
  }
}

TEST(JoinString, APartOfAKeyIsToldFromNamesThatAreAsLong) {
  const std::string part = "Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3A";
  EXPECT_TRUE(holds_part_of_key(part));
  EXPECT_TRUE(holds_part_of_key("https://" + part));
  EXPECT_TRUE(holds_part_of_key("device:" + part));
  for (const char* other :
       {"", "router", "device:/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10K4Z2X-if00-port0",
        "https://h?pin=0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
        "./Directory-with-a-long-name-of-2026-and-so-on-and-so-on",
        "a-host-name-without-any-dot-that-has-63-letters-which-is-most-1"}) {
    EXPECT_FALSE(holds_part_of_key(other)) << other;
  }
}

}  // namespace
}  // namespace qanat::wire
