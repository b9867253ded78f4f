#include <gtest/gtest.h>

#include "sources/registry.h"

namespace qanat::sources {
namespace {

TEST(SourceRegistry, SaysWhatIsWrong) {
  const auto complaint = [](const std::string& text) -> std::string {
    try {
      (void)describe_source(text);
    } catch (const Failure& problem) {
      return problem.what();
    }
    return "";
  };
  EXPECT_NE(complaint("thermal").find("known are"), std::string::npos);
  EXPECT_NE(complaint("device").find("device:PATH"), std::string::npos);
  EXPECT_NE(complaint("device:/dev/x?baud=12345").find("baud=12345"), std::string::npos);
  EXPECT_NE(complaint("hwrng?h=9").find("0.03125 to 8"), std::string::npos);
  EXPECT_NE(complaint("hwrng?h=nan").find("min-entropy"), std::string::npos);
  EXPECT_NE(complaint("hwrng?colour=red").find("unknown option 'colour'"), std::string::npos);
  EXPECT_NE(complaint("jitter?credit=maybe").find("yes nor no"), std::string::npos);
  EXPECT_NE(complaint("qanat1.abc").find("damaged"), std::string::npos);
  EXPECT_NE(complaint("https://x?pin=12").find("64 hex"), std::string::npos);
  EXPECT_EQ(complaint("device:/dev/ttyUSB0?baud=115200&h=6.5"), "");
}

TEST(SourceRegistry, CreditIsTheDesigns) {
  EXPECT_FALSE(describe_source("rdrand").credit);
  EXPECT_FALSE(describe_source("kernel").credit);
  EXPECT_TRUE(describe_source("hwrng").credit);
  EXPECT_TRUE(describe_source("https://hub.example").credit);
  EXPECT_FALSE(describe_source("http://hub.example").credit) << "nobody vouches for plain http";
  EXPECT_TRUE(describe_source("http://hub.example?credit=yes").credit) << "but the operator may";
}

}  // namespace
}  // namespace qanat::sources
