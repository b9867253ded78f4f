#include "machine/boot_seed.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "support/noise.h"
#include "support/temporary_directory.h"

namespace qanat::machine {
namespace {

using test::Samples;

class BootSeedTest : public testing::Test {
 protected:
  const test::TemporaryDirectory temporary_;
  const std::string directory_ = temporary_.path();

  std::string write(const std::string& name, const Samples& bytes, unsigned mode = 0600) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    std::filesystem::permissions(path, std::filesystem::perms(mode));
    return path;
  }
  Result<BootSeedUse> use(const BootSeed& seed) {
    return use_boot_seed(seed, used_, [this](Bytes bytes, std::size_t credited) -> Result<void> {
      given_.push_back({to_hex(bytes), credited});
      return refuse_ ? error("refused") : Result<void>();
    });
  }

  struct Given {
    std::string bytes;
    std::size_t credited = 0;
  };
  std::string used_ = "";
  std::vector<Given> given_;
  bool refuse_ = false;
};

TEST_F(BootSeedTest, CountsOnceAndIsRemembered) {
  used_ = directory_ + "/used";
  const Samples bytes = test::uniform(64, 1);
  const auto first = use({.path = write("a", bytes)});
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->credited) << first->why_not;
  EXPECT_TRUE(first->removed) << "not left for the next boot";
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/a"));
  EXPECT_EQ(given_.at(0).bytes, to_hex(bytes));
  EXPECT_EQ(given_.at(0).credited, 64U);
  const auto again = use({.path = write("b", bytes)});
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->credited) << "the same machine boots again";
  EXPECT_EQ(again->why_not, "it was used before");
  EXPECT_EQ(given_.at(1).credited, 0U) << "mixed in all the same";
  EXPECT_TRUE(use({.path = write("c", test::uniform(64, 2))})->credited);
  EXPECT_EQ(read_file(used_)->find(to_hex(bytes)), std::string::npos);
  EXPECT_EQ(std::filesystem::status(used_).permissions(), std::filesystem::perms(0600));
}

TEST_F(BootSeedTest, TheListDoesNotGrowForEver) {
  used_ = directory_ + "/used";
  for (std::uint64_t i = 0; i < 300; ++i) {
    EXPECT_TRUE(use({.path = write("a", test::uniform(32, i))})->credited);
  }
  EXPECT_EQ(read_file(used_)->size(), 256U * 33);
  EXPECT_FALSE(use({.path = write("a", test::uniform(32, 299))})->credited);
}

TEST_F(BootSeedTest, WhereNothingCanBeRememberedNothingCountsUnlessTheOperatorInsists) {
  used_ = "/proc/no/such/file";
  EXPECT_FALSE(use({.path = write("a", test::uniform(64, 1))})->credited);
  EXPECT_EQ(given_.at(0).credited, 0U);
  EXPECT_TRUE(use({.path = write("b", test::uniform(64, 2)), .insist = true})->credited);
  EXPECT_FALSE(use({.path = write("c", test::uniform(64, 3)), .credit = false})->credited);
}

TEST_F(BootSeedTest, WhatIsNoSeedOrNoSecretIsRefusedAndStays) {
  used_ = directory_ + "/used";
  EXPECT_NE(use({.path = write("short", test::uniform(31, 1))}).error().message.find("31 bytes"),
            std::string::npos);
  EXPECT_FALSE(use({.path = write("open", test::uniform(64, 1), 0644)}));
  EXPECT_FALSE(use({.path = write("long", test::uniform(513, 1))}));
  EXPECT_FALSE(use({.path = directory_ + "/missing"}));
  EXPECT_TRUE(given_.empty());
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/short"));
  refuse_ = true;
  EXPECT_FALSE(use({.path = write("a", test::uniform(64, 1))})) << "no root";
}

}  // namespace
}  // namespace qanat::machine
