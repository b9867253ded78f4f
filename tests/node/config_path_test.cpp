#include "node/config_path.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace qanat::node {
namespace {

namespace fs = std::filesystem;

class ConfigPath : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/qanat-config-path-XXXXXX";
    top_ = ::mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(top_); }

  static void write(const fs::path& path) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "threads = 1\n";
  }
  std::string found() const {
    return config_path_of(top_ / "local/bin/qanat", top_ / "etc", "etc");
  }

  fs::path top_;
  const fs::path file_ = "qanat/qanat.toml";
};

TEST_F(ConfigPath, OfAPackageIsInEtc) {
  EXPECT_EQ(config_path_of("/usr/bin/qanat", "/etc", "etc"), "/etc/qanat/qanat.toml");
}

TEST_F(ConfigPath, OfAProgramThatIsNotInstalledIsInEtc) {
  EXPECT_EQ(config_path_of("/home/me/qanat/build/release/qanat", top_ / "etc", "etc"),
            top_ / "etc" / file_);
  EXPECT_EQ(config_path_of("", "/etc", "etc"), "/etc/qanat/qanat.toml");
}

TEST_F(ConfigPath, IsThatOfThePrefix) {
  EXPECT_EQ(found(), top_ / "local/etc" / file_);
  write(top_ / "local/etc" / file_);
  write(top_ / "etc" / file_);
  EXPECT_EQ(found(), top_ / "local/etc" / file_);
}

TEST_F(ConfigPath, IsWhereABuildSaysItIs) {
  EXPECT_EQ(config_path_of(top_ / "local/bin/qanat", top_ / "etc", "/srv/etc"),
            "/srv/etc/qanat/qanat.toml");
}

TEST_F(ConfigPath, IsInEtcWhereThePrefixHasNone) {
  write(top_ / "etc" / file_);
  EXPECT_EQ(found(), top_ / "etc" / file_);
}

}  // namespace
}  // namespace qanat::node
