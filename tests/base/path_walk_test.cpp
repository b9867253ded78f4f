#include "base/path_walk.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/temporary_directory.h"

namespace qanat {
namespace {

namespace fs = std::filesystem;

class PathWalkTest : public testing::Test {
 protected:
  PathWalkTest() : top_(fs::canonical(directory_.path())) {
    fs::create_directories(top_ / "a/b");
    fs::create_directories(top_ / "c");
    std::ofstream(top_ / "a/file") << "x";
  }
  // The names below the test's directory, in the order in which they are passed; '!' is the last.
  std::string way(const std::string& path) {
    std::string names;
    const std::string above = top_.string() + "/";
    (void)walk_path(path, [&](const PathStep& step) -> Result<void> {
      if (!step.path.starts_with(above)) return {};
      if (!names.empty()) names += ' ';
      names += step.path.substr(above.size());
      if (step.last) names += '!';
      return {};
    });
    return names;
  }
  std::string in(const char* name) const { return (top_ / name).string(); }
  void link(const char* name, const std::string& to) { fs::create_symlink(to, top_ / name); }

  const test::TemporaryDirectory directory_;
  const fs::path top_;
};

TEST_F(PathWalkTest, GoesThroughLinksAsTheKernelDoes) {
  EXPECT_EQ(way(in("a/file")), "a a/file!");
  EXPECT_EQ(way(in("a/./b/..//file")), "a a/b a/file!");
  link("l", "a/b");
  EXPECT_EQ(way(in("l")), "l a a/b!");
  EXPECT_EQ(way(in("l/../file")), "l a a/b a/file!") << "through the link, not around it";
  link("far", top_.string() + "/c");
  EXPECT_EQ(way(in("far")), "far c!");
  // A link that leads to a link.
  link("first", "second/file");
  link("second", "c/third");
  link("c/third", "../a");
  EXPECT_EQ(way(in("first")), "first second c c/third a a/file!");
}

TEST_F(PathWalkTest, EndsWhereThereIsNothing) {
  EXPECT_EQ(way(in("a/none")), "a");
  EXPECT_EQ(way(in("a/file/below")), "a a/file");
  link("nowhere", "none/at/all");
  EXPECT_EQ(way(in("nowhere")), "nowhere");
  link("round", "round");
  EXPECT_NE(way(in("round")), "") << "and it ends";
  EXPECT_EQ(way(""), "");
}

TEST_F(PathWalkTest, AnErrorIsTheAnswerAtOnce) {
  int visits = 0;
  const auto walked = walk_path(in("a/b"), [&](const PathStep& step) -> Result<void> {
    ++visits;
    if (step.path == in("a")) return error("not here");
    return {};
  });
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().message, "not here");
  const int before = visits;
  EXPECT_FALSE(walk_path(in("a/b"), [&](const PathStep&) -> Result<void> {
    ++visits;
    return error("at once");
  }));
  EXPECT_EQ(visits, before + 1);
}

TEST_F(PathWalkTest, RelativePathsBeginWhereTheProcessIs) {
  const fs::path before = fs::current_path();
  fs::current_path(top_ / "a");
  EXPECT_EQ(way("file"), "a a/file!");
  EXPECT_EQ(way("../c"), "a c!");
  fs::current_path(before);
}

TEST_F(PathWalkTest, SaysWhatAProcessMakesOfItself) {
  bool in_proc = false;
  (void)walk_path("/proc/self/cwd/x", [&](const PathStep& step) -> Result<void> {
    in_proc = in_proc || step.in_proc;
    return {};
  });
  EXPECT_TRUE(in_proc);
}

}  // namespace
}  // namespace qanat
