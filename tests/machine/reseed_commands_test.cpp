#include "machine/reseed_commands.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "support/eventually.h"
#include "support/temporary_directory.h"

namespace qanat::machine {
namespace {

using test::eventually;

class ReseedCommandsTest : public testing::Test {
 protected:
  const test::TemporaryDirectory temporary_;
  const std::string directory_ = temporary_.path();

  std::string path(const char* name) const { return directory_ + "/" + name; }
  std::string content(const char* name) const { return read_file(path(name)).value_or(""); }

  // Before the commands, which may have something to tell until they end.
  std::mutex mutex_;
  std::string told_;
  ReseedCommands commands_{[this](const std::string&, const std::string& text, EventKind) {
    const std::scoped_lock lock(mutex_);
    told_ += text + "\n";
  }};
  std::string told() {
    const std::scoped_lock lock(mutex_);
    return told_;
  }
};

TEST_F(ReseedCommandsTest, RunInOrderAndKnowWhy) {
  commands_.set({"echo \"$QANAT_GENERATION $QANAT_REASON\" > " + path("a"),
                 "cat " + path("a") + " > " + path("b")});
  commands_.run("it's a 'copy'; $(reboot)", 7);
  EXPECT_TRUE(eventually([&] { return content("b") == "7 it's a 'copy'; $(reboot)\n"; }));
}

TEST_F(ReseedCommandsTest, WhatHappensMeanwhileRunsThemOnceMore) {
  ::mkfifo(path("gate").c_str(), 0600);
  commands_.set({"read word < " + path("gate") + "; echo $QANAT_GENERATION >> " + path("runs")});
  commands_.run("one", 1);
  const UniqueFd gate(::open(path("gate").c_str(), O_WRONLY));  // once the first run reads
  for (std::uint64_t i = 2; i < 10; ++i) commands_.run("more", i);
  ASSERT_TRUE(write_all(gate.get(), "gate", as_bytes("a\nb\n")));
  EXPECT_TRUE(eventually([&] { return content("runs") == "1\n9\n"; })) << content("runs");
}

TEST_F(ReseedCommandsTest, OneThatFailsIsToldAndTheNextRuns) {
  commands_.set({"exit 3", "kill -9 $$", "touch " + path("done")});
  commands_.run("test", 1);
  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(path("done")); }));
  EXPECT_NE(told().find("exit 3: ended with status 3"), std::string::npos) << told();
  EXPECT_NE(told().find("died of signal 9"), std::string::npos);
}

TEST_F(ReseedCommandsTest, ACommandThatHangsEndsWithTheProgram) {
  ReseedCommands commands([](const std::string&, const std::string&, EventKind) {});
  commands.set({"echo $$ > " + path("pid") + "; exec sleep 1000"});
  commands.run("test", 1);
  EXPECT_TRUE(eventually([&] { return !content("pid").empty(); }));
}

}  // namespace
}  // namespace qanat::machine
