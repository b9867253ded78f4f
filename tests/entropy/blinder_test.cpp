#include "entropy/blinder.h"

#include <gtest/gtest.h>

#include "support/noise.h"

namespace qanat::entropy {
namespace {

TEST(Blinder, IsOneToOneAndHidesWhatTheSenderKnows) {
  const auto sent = test::uniform(200, 4);
  auto first = sent;
  auto second = sent;
  ConditioningKey key(as_bytes("local"));
  Blinder blinder(key, 1);
  blinder.blind(first, as_bytes("arrival 1"));
  blinder.blind(second, as_bytes("arrival 2"));
  EXPECT_NE(first, sent);
  EXPECT_NE(first, second) << "a replayed transfer gives other bytes";
  // The same local state gives the same pad: what differs in the input differs in the output.
  ConditioningKey again(as_bytes("local"));
  Blinder same(again, 1);
  auto changed = sent;
  changed[150] ^= 0x10;
  same.blind(changed, as_bytes("arrival 1"));
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(changed[i] ^ first[i], i == 150 ? 0x10 : 0);
  }
}

}  // namespace
}  // namespace qanat::entropy
