#include "entropy/combiner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "entropy/block_tests.h"
#include "support/noise.h"

namespace qanat::entropy {
namespace {

using test::Samples;

constexpr std::size_t blocks = 4;
constexpr std::size_t share = blocks * Combiner::share_bytes;
constexpr std::size_t output = blocks * block_bytes;

Samples combine(Combiner& combiner, const std::vector<Samples>& given) {
  std::vector<Bytes> contributions(given.begin(), given.end());
  Samples out(output);
  combiner.combine(contributions, as_bytes("noise"), out);
  return out;
}

double bits_that_differ(const Samples& a, const Samples& b) {
  int bits = 0;
  for (std::size_t i = 0; i < a.size(); ++i) bits += __builtin_popcount(a[i] ^ b[i]);
  return bits / (8.0 * static_cast<double>(a.size()));
}

TEST(Combiner, ABlockTakesSeventyTwoBytesOfEachWhateverTheirNumber) {
  for (std::size_t contributors = 2; contributors <= 16; ++contributors) {
    const Conditioner conditioner(*std::make_unique<ConditioningKey>(as_bytes("k")),
                                  8.0 / static_cast<double>(contributors), 0);
    EXPECT_EQ(conditioner.samples_per_block(), contributors * Combiner::share_bytes);
  }
}

// One honest contributor among three: what the other two do is their best strategy each time. The
// honest one's bytes alone must decide the result, even for one who knows the conditioning key.
enum class Malice { zeros, replay, cancel };

class CombinerTest : public testing::TestWithParam<Malice> {
 protected:
  Samples malicious(const std::vector<Samples>& seen) const {
    switch (GetParam()) {
      case Malice::zeros:
        return Samples(share, 0);
      case Malice::replay:
        return test::uniform(share, 99);
      case Malice::cancel:
        break;
    }
    // Adaptive: the last to contribute, who has seen all others, and would undo them by XOR.
    Samples undo(share, 0);
    for (const Samples& other : seen) {
      for (std::size_t i = 0; i < share; ++i) undo[i] ^= other[i];
    }
    return undo;
  }
  // The same key each time: an attacker who knows everything but the honest contribution.
  Samples round(std::uint64_t honest_seed) const {
    ConditioningKey key(as_bytes("known to the attacker"));
    Combiner combiner(key, 3, 7);
    std::vector<Samples> given{test::uniform(share, honest_seed)};
    given.push_back(malicious(given));
    given.push_back(malicious(given));
    return combine(combiner, given);
  }
};

TEST_P(CombinerTest, TheHonestOneDecides) {
  std::set<std::string> seen;
  BlockTests statistics;
  const Samples first = round(1);
  double differing = 0;
  constexpr std::uint64_t rounds = 200;
  for (std::uint64_t seed = 2; seed < 2 + rounds; ++seed) {
    const Samples result = round(seed);
    EXPECT_TRUE(seen.insert(to_hex(result)).second) << "seed " << seed;
    EXPECT_TRUE(statistics.add(result)) << "seed " << seed;
    differing += bits_that_differ(first, result);
  }
  EXPECT_NEAR(differing / rounds, 0.5, 0.01);
}

TEST_P(CombinerTest, ABitOfTheHonestOneChangesHalfOfItsBlock) {
  ConditioningKey key_a(as_bytes("k"));
  ConditioningKey key_b(as_bytes("k"));
  Combiner a(key_a, 3, 7);
  Combiner b(key_b, 3, 7);
  std::vector<Samples> given{test::uniform(share, 5)};
  given.push_back(malicious(given));
  given.push_back(malicious(given));
  std::vector<Samples> flipped = given;
  flipped[0][0] ^= 1;
  const Samples result = combine(a, given);
  const Samples other = combine(b, flipped);
  const auto block = [](const Samples& all, std::size_t i) {
    return Samples(all.begin() + static_cast<std::ptrdiff_t>(i * block_bytes),
                   all.begin() + static_cast<std::ptrdiff_t>((i + 1) * block_bytes));
  };
  EXPECT_NEAR(bits_that_differ(block(result, 0), block(other, 0)), 0.5, 0.12);
  EXPECT_EQ(block(result, 1), block(other, 1)) << "each block has inputs of its own";
}

INSTANTIATE_TEST_SUITE_P(Malice, CombinerTest,
                         testing::Values(Malice::zeros, Malice::replay, Malice::cancel));

TEST(Combiner, EqualContributionsNeverMakeEqualBlocks) {
  ConditioningKey key(as_bytes("k"));
  Combiner combiner(key, 2, 7);
  const std::vector<Samples> given{Samples(share, 1), Samples(share, 2)};
  EXPECT_NE(combine(combiner, given), combine(combiner, given));
}

}  // namespace
}  // namespace qanat::entropy
