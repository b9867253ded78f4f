#include "entropy/block_tests.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/noise.h"

namespace qanat::entropy {
namespace {

bool fips(const test::Samples& block) {
  return passes_fips_140_2(
      std::span<const std::uint8_t, fips_block_bytes>(block.data(), fips_block_bytes));
}

TEST(Fips140, PassesNearlyAllIdealBlocks) {
  // About one in 1,250 fails; of 2,000 more than 20 do with probability below 1e-13.
  int failed = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed)
    failed += fips(test::uniform(fips_block_bytes, seed)) ? 0 : 1;
  EXPECT_LE(failed, 20);
}

TEST(Fips140, RejectsEachKindOfFault) {
  EXPECT_FALSE(fips(test::constant(fips_block_bytes, 0)));
  EXPECT_FALSE(fips(test::constant(fips_block_bytes, 0x55))) << "runs";
  test::Samples even(fips_block_bytes);
  for (std::size_t i = 0; i < even.size(); ++i)
    even[i] = static_cast<std::uint8_t>(0x01 + 0x22 * (i % 8));
  EXPECT_FALSE(fips(even)) << "poker: too even";
  auto long_run = test::uniform(fips_block_bytes, 7);
  ASSERT_TRUE(fips(long_run));
  for (int i = 100; i < 104; ++i) long_run[static_cast<std::size_t>(i)] = 0xff;
  EXPECT_FALSE(fips(long_run)) << "32 ones in a row";
}

TEST(NibbleChiSquare, KnowsItsValue) {
  // 16 nibbles, all 0: (16-1)^2/1 + 15*(0-1)^2/1.
  EXPECT_DOUBLE_EQ(nibble_chi_square(test::constant(8, 0)), 240);
  EXPECT_DOUBLE_EQ(
      nibble_chi_square(Bytes(test::Samples{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef})), 0);
}

TEST(NibbleChiSquare, LimitIsRareForSmallTransfersToo) {
  // 64 bytes, 100,000 times, at about 2^-20 each: ten or more with probability below 1e-17.
  int beyond = 0;
  for (std::uint64_t seed = 0; seed < 100000; ++seed) {
    beyond += nibble_chi_square(test::uniform(64, seed)) > nibble_limit ? 1 : 0;
  }
  EXPECT_LT(beyond, 10);
}

TEST(BlockTests, CountsOverAnyCutOfTheStream) {
  const auto good = test::uniform(4 * fips_block_bytes, 3);
  BlockTests tests;
  for (std::size_t at = 0; at < good.size(); at += 333) {
    tests.add(Bytes(good).subspan(at, std::min<std::size_t>(333, good.size() - at)));
  }
  EXPECT_EQ(tests.counts().blocks, 4U);
  EXPECT_TRUE(tests.add({}));
  EXPECT_FALSE(tests.add(test::constant(fips_block_bytes, 0)));
  EXPECT_EQ(tests.counts().fips_failed, 1U);
  EXPECT_EQ(tests.counts().weak, 1U);
}

}  // namespace
}  // namespace qanat::entropy
