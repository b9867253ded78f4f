#include "machine/generation.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "support/temporary_directory.h"

namespace qanat::machine {
namespace {

class GenerationTest : public testing::Test {
 protected:
  const test::TemporaryDirectory temporary_;
  const std::string directory_ = temporary_.path();

  std::string path(const char* name) const { return directory_ + "/" + name; }
  std::string content(const char* name) const { return read_file(path(name)).value_or(""); }
};

TEST_F(GenerationTest, TheGenerationGoesUpUnderTheEyesOfOthersAndOverRestarts) {
  const std::string file = path("run/generation");
  Generation first(file);
  EXPECT_EQ(first.value(), 1U);
  const UniqueFd fd(::open(file.c_str(), O_RDONLY));
  ASSERT_TRUE(fd);
  struct stat info {};
  ::fstat(fd.get(), &info);
  EXPECT_EQ(info.st_size, 4096);
  EXPECT_EQ(info.st_mode & 0777, 0644U);
  const auto* const seen = static_cast<const volatile std::uint64_t*>(
      ::mmap(nullptr, 8, PROT_READ, MAP_SHARED, fd.get(), 0));
  EXPECT_EQ(*seen, 1U);
  EXPECT_EQ(first.advance(), 2U);
  EXPECT_EQ(*seen, 2U);
  Generation again(file);
  EXPECT_EQ(again.value(), 2U) << "another process";
  again.advance();
  EXPECT_EQ(*seen, 3U) << "the same file as before";
}

TEST_F(GenerationTest, WhereTheGenerationCannotBeToldTheNodeGoesOn) {
  Generation none("/proc/no/such/place");
  EXPECT_EQ(none.advance(), 0U);
  Generation unnamed("");
  EXPECT_EQ(unnamed.value(), 0U);
}

}  // namespace
}  // namespace qanat::machine
