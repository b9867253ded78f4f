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

}  // namespace
}  // namespace qanat::wire
