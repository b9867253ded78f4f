#include "wire/pollen.h"

#include <gtest/gtest.h>

#include "support/noise.h"

namespace qanat::wire::pollen {
namespace {

using test::Samples;
using Seed = std::array<std::uint8_t, seed_bytes>;

std::string reply_to(std::string_view challenge, const Seed& seed) {
  std::string text(reply_bytes, ' ');
  write_reply(challenge, seed, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  return text;
}

TEST(Pollen, ReadsWhatItWrites) {
  Seed seed{};
  const Samples noise = test::uniform(seed_bytes, 1);
  std::copy(noise.begin(), noise.end(), seed.begin());
  const std::string text = reply_to("abc", seed);
  // The SHA-512 of "abc" (FIPS 180-4).
  EXPECT_TRUE(text.starts_with("ddaf35a193617abacc417349ae204131")) << text;
  Seed got{};
  EXPECT_TRUE(read_reply(as_bytes(text), "abc", got));
  EXPECT_EQ(got, seed);
  EXPECT_TRUE(read_reply(as_bytes(text.substr(0, text.size() - 1)), "abc", got));
  EXPECT_EQ(encode_question("xyz"), "challenge=xyz");
}

TEST(Pollen, AReplyToAnotherChallengeOrCutOrSpoiledIsNone) {
  const std::string text = reply_to("abc", Seed{1, 2, 3});
  Seed got{};
  EXPECT_FALSE(read_reply(as_bytes(text), "abd", got));
  for (std::size_t n = 0; n + 1 < text.size(); ++n) {
    EXPECT_FALSE(read_reply(as_bytes(text.substr(0, n)), "abc", got)) << n;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string spoiled = text;
    spoiled[i] = 'x';
    EXPECT_FALSE(read_reply(as_bytes(spoiled), "abc", got)) << i;
  }
  EXPECT_FALSE(read_reply(as_bytes(text + "more"), "abc", got));
}

}  // namespace
}  // namespace qanat::wire::pollen
