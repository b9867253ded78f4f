#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "outlets/registry.h"
#include "support/eventually.h"
#include "support/test_hub.h"

namespace qanat::outlets {
namespace {

// Built with one line more in the registry, and nothing else of the program changed.
TEST(ToyTest, ATypeIsAPairOfFilesAndALine) {
  const auto help = outlet_help();
  EXPECT_NE(std::find(help.begin(), help.end(),
                      "toy  lines of hex digits in a file; options: every bytes grade"),
            help.end());
  EXPECT_THROW(plan_outlet("toy"), Failure) << "it says itself what it needs";
  EXPECT_THROW(plan_outlet("toy:/x?mode=0600"), Failure) << "and what it does not know";
  try {
    plan_outlet("toi:/x");
  } catch (const Failure& problem) {
    EXPECT_NE(std::string(problem.what()).find("toy"), std::string::npos);
  }

  const std::string path = testing::TempDir() + "/qanat-toy";
  std::filesystem::remove(path);
  test::TestHub hub;
  EXPECT_THROW(plan_outlet("toy:/nowhere/x").make(hub.all_services())->start(), Failure);
  const auto plan = plan_outlet("toy:" + path + "?every=60s&bytes=32");
  EXPECT_EQ(plan.note, "32 bytes every 1 min 0 s, grade full");
  const auto outlet = plan.make(hub.all_services());
  outlet->start();
  hub.credit(64);
  ASSERT_TRUE(test::eventually([&] { return outlet->report().deliveries == 1; }));
  EXPECT_EQ(outlet->report().full_bytes, 32U);
  std::string line;
  std::getline(std::ifstream(path), line);
  EXPECT_EQ(line.size(), 64U);
  outlet->stop();
  EXPECT_TRUE(hub.dispenser.report().total.balanced());
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace qanat::outlets
