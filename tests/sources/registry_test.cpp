#include <gtest/gtest.h>

#include "sources/registry.h"

namespace qanat::sources {
namespace {

std::string complaint(const std::string& text) {
  try {
    (void)describe_source(text);
  } catch (const Failure& problem) {
    return problem.what();
  }
  return "";
}

TEST(SourceRegistry, SaysWhatIsWrong) {
  EXPECT_NE(complaint("thermal").find("known are"), std::string::npos);
  EXPECT_EQ(complaint("hwrgn"), "unknown source 'hwrgn'; did you mean 'hwrng'?");
  EXPECT_EQ(complaint("htps://hub"), "unknown source 'htps'; did you mean 'https'?");
  EXPECT_EQ(complaint("jitter?crdit=no"),
            "jitter?crdit=no: unknown option 'crdit'; did you mean 'credit'?");
  EXPECT_NE(complaint("device:/x?model=oneerng").find("; did you mean 'onerng'?"),
            std::string::npos);
  EXPECT_NE(complaint("device:/x?model=onerng&mode=row").find("; did you mean 'raw'?"),
            std::string::npos);
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

TEST(SourceRegistry, AModelIsNoSourceAndWhatToWriteIsSaid) {
  EXPECT_EQ(complaint("onerng"), "onerng is a model: write device:PATH?model=onerng");
  EXPECT_EQ(complaint("truerng:/dev/ttyACM0"),
            "truerng is a model: write device:/dev/ttyACM0?model=truerng");
  EXPECT_EQ(complaint("onrng"), "unknown source 'onrng'; did you mean 'device:PATH?model=onerng'?");
  EXPECT_EQ(complaint("infnoise"), "infnoise is a model: write exec:infnoise --raw?h=4");
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
