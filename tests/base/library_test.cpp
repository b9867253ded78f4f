#include "base/library.h"

#include <gtest/gtest.h>

#include <cstdlib>

extern "C" int qanat_of_a_newer_library(const char* text);

namespace qanat {
namespace {

struct Here : Libraries {
  const Library c = load("c", 6);
  QANAT_FUNCTION(c, atoi);
};

struct Older : Here {
  QANAT_FUNCTION(c, qanat_of_a_newer_library);
  const Library absent = load("qanat-absent", 3);
};

struct Absent : Here {
  const Library first = load("qanat-absent", 3);
  const Library second = load("qanat-absent-too", 4);
  QANAT_FUNCTION(first, qanat_of_a_newer_library);
};

TEST(Libraries, OneThatIsHereIsCalled) {
  const Here here;
  ASSERT_TRUE(here.there());
  EXPECT_EQ(here.atoi("42"), 42);
}

TEST(Libraries, TheFirstThatIsMissingIsNamedWithItsPackage) {
  const Absent absent;
  ASSERT_FALSE(absent.there());
  EXPECT_EQ(absent.there().error().message,
            "libqanat-absent.so.3 cannot be loaded; install Debian's libqanat-absent3");
}

TEST(Libraries, OneThatIsOlderIsNamedWithWhatItLacks) {
  const Older older;
  ASSERT_FALSE(older.there());
  EXPECT_EQ(older.there().error().message,
            "libc.so.6 has no qanat_of_a_newer_library: it is older than the one that qanat was "
            "built with");
}

}  // namespace
}  // namespace qanat
