#include "wire/rngnet.h"

#include <gtest/gtest.h>

namespace qanat::wire::rngnet {
namespace {

TEST(Rngnet, WritesTheLineOfTheOriginal) {
  EXPECT_EQ(stat_line({834, 3, 0, 0}, {3336, 10, 0, 0}),
            "STAT ok=834/3336 weak=3/10 weak_rate=3 recv_err=0/0 bad_size=0/0");
  EXPECT_EQ(stat_line({0, 0, 1, 2}, {7, 1, 3, 4}),
            "STAT ok=0/7 weak=0/1 weak_rate=0 recv_err=1/3 bad_size=2/4");
}

TEST(Rngnet, ReadsRecipients) {
  const auto three = parse_recipients("a:1,[::1]:2,10.0.0.1");
  ASSERT_TRUE(three);
  ASSERT_EQ(three->size(), 3U);
  EXPECT_EQ(three->at(1).text(), "[::1]:2");
  EXPECT_EQ(three->at(2).port, usual_port);
  for (const char* wrong : {"", ",", "a:1,", ",a:1", "a:x", "a:1,,b:2", "a:99999"}) {
    EXPECT_FALSE(parse_recipients(wrong)) << wrong;
  }
  std::string many = "a:1";
  for (std::size_t i = 1; i < most_recipients; ++i) many += ",a:1";
  EXPECT_TRUE(parse_recipients(many));
  EXPECT_FALSE(parse_recipients(many + ",a:1"));
}

}  // namespace
}  // namespace qanat::wire::rngnet
