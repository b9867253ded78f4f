#include "peers/transfer_size.h"

#include <gtest/gtest.h>

namespace qanat::peers {
namespace {

using namespace std::chrono_literals;

TEST(TransferSize, ALargeOneStandsInLineForAShortTimeOnly) {
  TransferSize size;
  for (int answers = 0; answers < 12; ++answers) size.answered(1ms);
  EXPECT_EQ(size.bytes(), TransferSize::most);
  int waits = 0;
  for (;;) {
    const Duration patience = TransferSize::patience(size.bytes(), 10min);
    const auto needs = std::chrono::seconds(size.bytes() / 137);
    if (needs <= patience) break;
    ++waits;
    ASSERT_LE(patience, 10s);
    ASSERT_TRUE(size.refused(size.bytes()));
  }
  EXPECT_EQ(waits, 2);
  EXPECT_EQ(size.bytes(), 1024);
  // It took seven seconds: the next one is to take one or two.
  size.answered(7s);
  EXPECT_EQ(size.bytes(), 256);
  size.answered(1h);
  EXPECT_EQ(size.bytes(), TransferSize::least);
  // The least has all the time there is, and nobody has more than was given.
  EXPECT_EQ(TransferSize::patience(TransferSize::least, 10min), 10min);
  EXPECT_EQ(TransferSize::patience(TransferSize::most, 1s), 1s);
}

}  // namespace
}  // namespace qanat::peers
