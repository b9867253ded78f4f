#include "wire/tpm.h"

#include <gtest/gtest.h>

#include "support/noise.h"

namespace qanat::wire::tpm {
namespace {

std::vector<std::uint8_t> hex(std::string_view text) { return from_hex(text).value(); }

// What swtpm 0.7.1 answered to the first, and before it was started.
TEST(TpmWire, KnownMessages) {
  EXPECT_EQ(to_hex(get_random(8)), "80010000000c0000017b0008");
  EXPECT_EQ(to_hex(get_random(0x1234)), "80010000000c0000017b1234");
  const auto given =
      hex("80010000001400000000"
          "0008"
          "f7ca1fe55163fff7");
  const auto answer = read_answer(given);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->code, 0U);
  EXPECT_EQ(to_hex(answer->bytes), "f7ca1fe55163fff7");
  const auto refusal = hex("80010000000a00000100");
  ASSERT_TRUE(read_answer(refusal));
  EXPECT_EQ(read_answer(refusal)->code, 0x100U);
  EXPECT_NE(read_answer(hex("00c40000000a0000001e")).error().message.find("TPM 1.2"),
            std::string::npos);
}

TEST(TpmWire, WhatDoesNotSayItsOwnLengthIsNoAnswer) {
  for (const char* text : {
           "",
           "8001",
           "80010000000900000000",      // shorter than it is
           "80010000000b00000000",      // longer
           "80010000000a00000000",      // fine, and nothing in it
           "80010000000c000000000000",  // no bytes
           "80010000000c000000000040",  // 64 that are not there
           "80010000000d00000000"
           "0040"
           "61",  // or 63 of them
           "80010000000d00000000"
           "0000"
           "61",  // or more than it says
           "80020000000d00000000"
           "0001"
           "61",  // with sessions, which nobody asked for
           "ffffffffffffffffffffffff",
       }) {
    EXPECT_FALSE(read_answer(hex(text))) << text;
  }
  std::vector<std::uint8_t> most = hex("80010000004c000000000040");
  most.resize(most_answer, 0x61);
  EXPECT_EQ(read_answer(most)->bytes.size(), most_bytes);
  most = hex("80010000004d000000000041");
  most.resize(most_answer + 1, 0x61);
  EXPECT_FALSE(read_answer(most));
}

}  // namespace
}  // namespace qanat::wire::tpm
