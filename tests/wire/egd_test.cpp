#include "wire/egd.h"

#include <gtest/gtest.h>

#include "support/noise.h"

namespace qanat::wire::egd {
namespace {

using test::Samples;

TEST(Egd, ReadsEachCommandAndNoMoreOfItThanThereIs) {
  Command command;
  std::size_t used = 0;
  const auto status = [&](const Samples& in) { return decode(in, command, used); };
  EXPECT_EQ(status({0}), Status::complete);
  EXPECT_EQ(command.verb, Verb::level);
  EXPECT_EQ(used, 1U);
  // As QEMU 7.2 asks.
  EXPECT_EQ(status({2, 0x40, 2, 0x40}), Status::complete);
  EXPECT_EQ(command.verb, Verb::wait);
  EXPECT_EQ(command.bytes, 64U);
  EXPECT_EQ(used, 2U);
  EXPECT_EQ(status({1, 255}), Status::complete);
  EXPECT_EQ(command.verb, Verb::read);
  const Samples add{3, 1, 2, 3, 7, 8, 9, 0};
  EXPECT_EQ(status(add), Status::complete);
  EXPECT_EQ(command.bits, 258U);
  EXPECT_EQ(to_hex(command.data), "070809");
  EXPECT_EQ(used, 7U);
  EXPECT_EQ(status({4}), Status::complete);
  EXPECT_EQ(command.verb, Verb::process);
  for (const Samples& part : {Samples{}, {1}, {2}, {3}, {3, 0}, {3, 0, 8}, {3, 0, 8, 1}}) {
    EXPECT_EQ(status(part), Status::incomplete);
  }
  for (unsigned verb = 5; verb < 256; ++verb) {
    EXPECT_EQ(status({static_cast<std::uint8_t>(verb), 1}), Status::malformed) << verb;
  }
}

TEST(Egd, WritesWhatItReads) {
  EXPECT_EQ(to_hex(encode_read(Verb::wait, 255)), "02ff");
  EXPECT_EQ(to_hex(encode_level(4096)), "00001000");
  EXPECT_EQ(to_hex(encode_level(~std::uint64_t{0})), "ffffffff");
}

}  // namespace
}  // namespace qanat::wire::egd
