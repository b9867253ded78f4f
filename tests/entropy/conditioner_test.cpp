#include "entropy/conditioner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "support/noise.h"

namespace qanat::entropy {
namespace {

using Block = std::array<std::uint8_t, block_bytes>;

Block next_block(Conditioner& conditioner, Bytes samples) {
  while (!conditioner.complete()) samples = samples.subspan(conditioner.absorb(samples));
  Block block;
  conditioner.finish(block);
  return block;
}

TEST(Conditioner, TakesAtLeastTheOutputAnd64BitsOfAssessedEntropy) {
  ConditioningKey key({});
  for (const double h : {0.03125, 0.33, 0.5, 1.0, 3.7, 7.0, 8.0}) {
    Conditioner conditioner(key, h, 0);
    EXPECT_GE(conditioner.samples_per_block() * h, output_bits + 64) << h;
    EXPECT_LT((conditioner.samples_per_block() - 1) * h, output_bits + 64) << h;
    const auto samples = test::uniform(conditioner.samples_per_block() + 10U, 1);
    EXPECT_EQ(conditioner.absorb(samples), conditioner.samples_per_block());
    EXPECT_TRUE(conditioner.complete());
  }
}

TEST(Conditioner, EqualSamplesNeverMakeEqualBlocks) {
  ConditioningKey key({});
  Conditioner one(key, 8, 1);
  Conditioner other(key, 8, 2);
  const auto samples = test::constant(72, 5);
  std::set<Block> blocks;
  for (int i = 0; i < 100; ++i) {
    blocks.insert(next_block(one, samples));
    blocks.insert(next_block(other, samples));
  }
  EXPECT_EQ(blocks.size(), 200U);
}

TEST(Conditioner, EverySourceIsInEveryBlock) {
  // A source whose samples are known to the last bit: its blocks still depend on what another, of
  // credit 0 even, has given before.
  const auto known = test::constant(72, 0);
  const auto block_after = [&](Bytes other) {
    ConditioningKey key(as_bytes("start"));
    if (!other.empty()) key.mix("window", other);
    Conditioner conditioner(key, 8, 1);
    return next_block(conditioner, known);
  };
  auto good = test::uniform(512, 1);
  const Block first = block_after(good);
  EXPECT_NE(first, block_after({}));
  EXPECT_EQ(first, block_after(good));
  good[300] ^= 1;
  EXPECT_NE(first, block_after(good));
}

TEST(Conditioner, ACopycatCannotCancelTheSourceItCopies) {
  // The bad source knows the good one's samples and gives the same, or their complement: mixing is
  // hashing, and nothing cancels.
  const auto good = test::uniform(512, 9);
  auto complement = good;
  for (auto& byte : complement) byte = static_cast<std::uint8_t>(~byte);
  std::set<Block> outcomes;
  for (const auto& bad : {good, complement}) {
    ConditioningKey key(as_bytes("start"));
    key.mix("window", good);
    key.mix("window", bad);
    Conditioner conditioner(key, 8, 1);
    outcomes.insert(next_block(conditioner, test::constant(72, 0)));
  }
  ConditioningKey untouched(as_bytes("start"));
  Conditioner conditioner(untouched, 8, 1);
  outcomes.insert(next_block(conditioner, test::constant(72, 0)));
  EXPECT_EQ(outcomes.size(), 3U);
}

TEST(Conditioner, WhatIsForfeitedCountsForNothing) {
  ConditioningKey key({});
  Conditioner conditioner(key, 8, 1);
  conditioner.absorb(test::uniform(71, 1));
  const auto before = key.generation();
  conditioner.forfeit();
  EXPECT_GT(key.generation(), before) << "mixed in";
  const auto more = test::uniform(72, 2);
  EXPECT_EQ(conditioner.absorb(Bytes(more).first(1)), 1U);
  EXPECT_FALSE(conditioner.complete()) << "the 71 samples before do not count";
}

TEST(Conditioner, OutputIsBalanced) {
  // 1 MiB from a source of one bit a byte: 2^23 bits. Beyond 6.5 sigma (9,415) with probability
  // 8e-11.
  ConditioningKey key({});
  Conditioner conditioner(key, 1, 1);
  std::int64_t ones = 0;
  for (std::uint64_t i = 0; i < (1 << 20) / block_bytes; ++i) {
    auto samples = test::with_min_entropy(576, 1, i);
    for (const auto byte : next_block(conditioner, samples)) ones += __builtin_popcount(byte);
  }
  EXPECT_LT(std::abs(ones - (1 << 22)), 9415);
}

}  // namespace
}  // namespace qanat::entropy
