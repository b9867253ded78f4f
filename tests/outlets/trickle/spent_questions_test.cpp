#include "outlets/trickle/spent_questions.h"

#include <gtest/gtest.h>

#include "crypto/aead.h"

namespace qanat::outlets {
namespace {

namespace trickle = wire::trickle;

TEST(SpentQuestions, AreKnownForTwoGenerationsAndNoOthersAre) {
  SpentQuestions spent;
  const trickle::ClientId client{1};
  SpentQuestions::Mac mac;
  crypto::random_bytes(mac);
  EXPECT_FALSE(spent.spend(7, client, mac)) << "of no generation that it knows";
  EXPECT_TRUE(spent.seen(7, client, mac));
  spent.turn(7);
  EXPECT_FALSE(spent.seen(7, client, mac));
  EXPECT_TRUE(spent.spend(7, client, mac));
  EXPECT_FALSE(spent.spend(7, client, mac));
  spent.turn(7);
  spent.turn(8);
  EXPECT_TRUE(spent.seen(7, client, mac));
  EXPECT_FALSE(spent.seen(8, client, mac));
  EXPECT_TRUE(spent.spend(8, client, mac));
  spent.turn(9);
  EXPECT_TRUE(spent.seen(8, client, mac));
  EXPECT_FALSE(spent.spend(7, client, mac)) << "it is not spent again when it is forgotten";
  spent.turn(3);
  EXPECT_FALSE(spent.spend(9, client, mac)) << "nor when generations begin anew";
  EXPECT_TRUE(spent.spend(3, client, mac));
}

TEST(SpentQuestions, AFloodFillsItsOwnPartAndNeverMakesAnOldOneNew) {
  SpentQuestions spent;
  spent.turn(1);
  const trickle::ClientId greedy{1};
  const trickle::ClientId modest{2};
  SpentQuestions::Mac first;
  crypto::random_bytes(first);
  ASSERT_TRUE(spent.spend(1, greedy, first));
  int refused = 0;
  int refused_at_20000 = 0;
  for (int i = 0; i < 300000; ++i) {
    SpentQuestions::Mac mac;
    crypto::random_bytes(mac);
    refused += spent.spend(1, greedy, mac) ? 0 : 1;
    if (i == 20000) refused_at_20000 = refused;
    if (i % 1000 == 0) {
      ASSERT_TRUE(spent.seen(1, greedy, first)) << "after " << i;
    }
  }
  EXPECT_LT(refused_at_20000, 20000 / 300) << "of all before";
  EXPECT_GT(refused, 150000) << "it goes over HTTPS now";
  for (int i = 0; i < 1000; ++i) {
    SpentQuestions::Mac mac;
    crypto::random_bytes(mac);
    EXPECT_TRUE(spent.spend(1, modest, mac));
  }
}

}  // namespace
}  // namespace qanat::outlets
