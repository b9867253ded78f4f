#include "observe/stat_line.h"

#include <gtest/gtest.h>

namespace qanat::observe {
namespace {

TEST(StatLines, AreOfSourcesAndOutletsSinceTheLastAndInAll) {
  NodeReport report;
  report.sources.resize(1);
  report.sources[0].name = "jitter";
  report.sources[0].blocks = {.blocks = 3336, .fips_failed = 0, .weak = 10};
  report.outlets.resize(1);
  report.outlets[0].name = "egd";
  report.outlets[0].deliveries = 7;
  report.outlets[0].refused = {{"malformed", 2}, {"timeout", 1}, {"over_share", 5}};
  StatLines stat;
  EXPECT_EQ(stat.lines(report),
            (std::vector<std::string>{
                "jitter: STAT ok=3336/3336 weak=10/10 weak_rate=2 recv_err=0/0 bad_size=0/0",
                "egd: STAT ok=7/7 weak=0/0 weak_rate=0 recv_err=1/1 bad_size=2/2"}));
  report.sources[0].blocks = {.blocks = 4170, .fips_failed = 0, .weak = 13};
  EXPECT_EQ(stat.lines(report).front(),
            "jitter: STAT ok=834/4170 weak=3/13 weak_rate=3 recv_err=0/0 bad_size=0/0");
  report.sources[0].blocks = {.blocks = 5, .fips_failed = 0, .weak = 0};
  EXPECT_EQ(stat.lines(report).front(),
            "jitter: STAT ok=5/5 weak=0/0 weak_rate=0 recv_err=0/0 bad_size=0/0")
      << "it has begun anew";
}

}  // namespace
}  // namespace qanat::observe
