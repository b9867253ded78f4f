#include "sources/runner/lookalikes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>

#include "base/shell_command.h"
#include "sources/source_test.h"
#include "support/eventually.h"

namespace qanat::sources {
namespace {

using test::eventually;

TEST(Lookalikes, WhatNamesTheKernelsGeneratorIsSeenThroughTheShellsWords) {
  for (const char* const command :
       {"cat /dev/urandom", "head -c 32 /dev/urandom", "dd if=/dev/random", "cat </dev/urandom",
        "sh -c 'cat /dev/urandom'", "/bin/cat /dev/../dev/urandom | head -c 1M",
        "LC_ALL=C tr -d x < /dev/urandom", "env -i cat \"/dev/urandom\"", "cat /dev/u'random'",
        "D=/dev/urandom; cat $D", "echo $(head -c 9 /dev/random)", "cat {/dev/urandom,}",
        "(cat /dev/random)", "cat /dev/char/1:9", "cat <>/dev/urandom",
        "cat /proc/sys/kernel/random/uuid", "while :; do cat /proc/sys/kernel/random/uuid; done"}) {
    if (std::string_view(command).find("/dev/char") != std::string_view::npos &&
        ::access("/dev/char/1:9", F_OK) != 0) {
      continue;  // a machine without udev
    }
    const std::string why = lookalike_in(command);
    EXPECT_NE(why.find("it reads /"), std::string::npos) << command << ": " << why;
    EXPECT_NE(why.find("already counted at its source"), std::string::npos) << command;
  }
}

TEST(Lookalikes, ProgramsThatAreNothingElseAreKnownByName) {
  for (const char* const command :
       {"openssl rand 1024", "openssl rand -hex 32", "env openssl rand 9", "gpg --gen-random 2 64",
        "uuidgen", "while :; do uuidgen; done", "mcookie", "pwgen -s 64",
        "python3 -c 'import os; print(os.urandom(9))'",
        "python3 -c 'from os import urandom; urandom(4)'", "python3 -c 'secrets.token_bytes(9)'",
        "perl -e 'getrandom($x, 9)'"}) {
    EXPECT_NE(lookalike_in(command).find("the kernel's generator"), std::string::npos) << command;
  }
  for (const char* const command :
       {"qanat get 1M", "/usr/bin/env qanat get --from x 1k",
        "curl -s http://127.0.0.1:7748/v1/random?bytes=64", "curl http://h/v1/stream",
        "socat - UNIX:/run/qanat/egd", "cat /run/qanat/fifo"}) {
    EXPECT_NE(lookalike_in(command).find("asks a qanat node"), std::string::npos) << command;
  }
}

TEST(Lookalikes, OthersAreLeftAlone) {
  for (const char* const command :
       {"infnoise --raw", "cat /dev/zero", "seedd -o -c none",
        "infnoise --raw </dev/null 2>/dev/null", "cat noise > /dev/urandom",
        "noise | dd of=/dev/random", "ssh host noise", "openssl enc -aes128 -in /dev/null",
        "cat /data/uuidgen", "qanat status", "openssl dgst; rand", "cat urandom.txt", "", "   ",
        "'", "cat /nowhere/urandom"}) {
    EXPECT_EQ(lookalike_in(command), "") << command;
  }
}

TEST_F(SourceTest, ALinkIsKnownByWhatItLeadsToAndANameThatActsIsWrittenOut) {
  ASSERT_EQ(::symlink("/dev/urandom", path("noise\x1b").c_str()), 0);
  const std::string why = lookalike_in("cat " + path("noise\x1b"));
  EXPECT_NE(why.find("noise\\u{1b}"), std::string::npos) << why;
  EXPECT_EQ(why.find('\x1b'), std::string::npos);
}

TEST_F(SourceTest, WhatACommandHidesIsSeenWhileItRuns) {
  std::ofstream(path("noise")) << "exec < /dev/urandom\nexec cat\n";
  const std::string name = "exec:sh " + path("noise");
  EXPECT_TRUE(describe_source(name).credit) << "its words tell nothing";
  const auto hidden = start(name);
  EXPECT_TRUE(eventually([&] { return !hidden->report().credit; }));
  EXPECT_NE(hidden->report().detail.find("has the kernel's generator open"), std::string::npos)
      << hidden->report().detail;
  EXPECT_EQ(dispenser_.report().total.credited, 0U);
  // A claim by h= alone vouches for nothing that is not written there.
  const auto claimed = start(name + "?h=8");
  EXPECT_TRUE(eventually([&] { return !claimed->report().credit; }));
  EXPECT_EQ(dispenser_.report().total.credited, 0U);
  const auto vouched = start(name + "?credit=yes");
  EXPECT_TRUE(eventually([&] { return dispenser_.report().total.credited > 0; }));
  EXPECT_TRUE(vouched->report().credit);
  const std::scoped_lock lock(mutex_);
  EXPECT_TRUE(std::any_of(events_.begin(), events_.end(), [&](const std::string& event) {
    return event.starts_with(name +
                             "?credit=yes: credited as its name claims, although its "
                             "process");
  }));
}

TEST_F(SourceTest, AGroupIsSeenByWhatItReadsAndNotByWhatItWrites) {
  Waker never;
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd output(ends[0]);
  const UniqueFd input(ends[1]);
  const auto first_byte = [&] {
    char byte = 0;
    return ::read(output.get(), &byte, 1) == 1;
  };
  ShellCommand writer;
  ASSERT_TRUE(writer.start("exec 3>/dev/urandom; echo; sleep 1000", input.get()));
  ASSERT_TRUE(first_byte());
  EXPECT_EQ(lookalike_of_group(writer.group()), "");
  ShellCommand reader;
  ASSERT_TRUE(reader.start("exec 3</dev/urandom; echo; sleep 1000", input.get()));
  ASSERT_TRUE(first_byte());
  EXPECT_NE(lookalike_of_group(reader.group()), "");
  reader.terminate();
  EXPECT_EQ(lookalike_of_group(reader.group()), "");
  EXPECT_EQ(lookalike_of_group(-1), "");
}

TEST_F(SourceTest, DevicesFilesAndCommandsTakeAnOperatorsWordAlike) {
  ASSERT_EQ(::symlink("/dev/random", path("link").c_str()), 0);
  for (const std::string& name :
       {std::string("device:/dev/urandom"), "file:" + path("link"), "device:" + path("link"),
        std::string("exec:cat /dev/urandom"), std::string("file:/proc/sys/kernel/random/uuid")}) {
    const auto silent = describe_source(name);
    EXPECT_FALSE(silent.credit) << name;
    EXPECT_NE(silent.note.find("already counted at its source"), std::string::npos) << name;
    for (const char* const word : {"?credit=yes", "?credit=insist"}) {
      const auto vouched = describe_source(name + word);
      EXPECT_TRUE(vouched.credit) << name;
      EXPECT_NE(vouched.note.find("already counted at its source"), std::string::npos)
          << vouched.note;
    }
    EXPECT_FALSE(describe_source(name + "?credit=no").credit) << name;
  }
  EXPECT_FALSE(describe_source("device:/dev/urandom?h=8").credit);
}

}  // namespace
}  // namespace qanat::sources
