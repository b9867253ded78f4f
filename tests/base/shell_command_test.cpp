#include "base/shell_command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "base/descriptor_limit.h"

namespace qanat {
namespace {

using namespace std::chrono_literals;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    out = UniqueFd(ends[0]);
    in = UniqueFd(ends[1]);
  }
  // Everything, until all who could write have ended.
  std::string read() {
    in.reset();
    std::string text(4096, '\0');
    const auto size =
        read_all(out.get(), "pipe", {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    text.resize(size.value_or(0));
    return text;
  }
  UniqueFd out;
  UniqueFd in;
};

// No descriptor is free while this lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) held_.emplace_back(fd);
  }

 private:
  std::vector<UniqueFd> held_;
};

// Libraries open what a child would keep: /dev/tpm0, of which there is one.
TEST(ShellCommandWords, AProgramThatIsNotThereIsNamed) {
  EXPECT_EQ(missing_program("/bin/sh -c true"), "");
  EXPECT_EQ(missing_program("true x; /nonexistent"), "") << "looked for in PATH";
  EXPECT_EQ(missing_program("while :; do true; done"), "") << "the shell's own";
  EXPECT_EQ(missing_program("A=b true"), "");
  EXPECT_EQ(missing_program("f () { true; }; f"), "");
  EXPECT_EQ(missing_program("2>/dev/null true"), "");
  EXPECT_NE(missing_program("nosuchprogram $X").find("nosuchprogram"), std::string::npos);
  EXPECT_EQ(missing_program("$HOME/x"), "");
  EXPECT_EQ(missing_program("/*/x"), "");
  EXPECT_EQ(missing_program(""), "");
  EXPECT_NE(missing_program(" /nonexistent/x -y").find("/nonexistent/x: No such file"),
            std::string::npos);
}

TEST(ShellCommand, HasNoDescriptorOfOurs) {
  Pipe output;
  const UniqueFd ours(::open("/dev/full", O_WRONLY));  // without O_CLOEXEC
  ShellCommand command;
  ASSERT_TRUE(
      command.start("readlink /proc/self/fd/* | grep /dev/full; echo done", output.in.get()));
  EXPECT_EQ(output.read(), "done\n");
}

TEST(ShellCommand, EndsWithoutADescriptor) {
  Pipe output;
  ShellCommand command;
  ASSERT_TRUE(command.start("trap '' TERM; while :; do sleep 1; done", output.in.get()));
  {
    const NoDescriptors none;
    command.terminate();
  }
  EXPECT_EQ(output.read(), "");
}

TEST(ShellCommand, SaysThatItCannotStart) {
  ShellCommand command;
  {
    const NoDescriptors none;
    const auto started = command.start("true", -1);
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().message.find("Too many open files"), std::string::npos);
  }
  ASSERT_TRUE(command.start("exit 3", -1));
  const Waker never;
  const auto status = command.wait(never, 30s);
  ASSERT_TRUE(status);
  EXPECT_EQ(describe_wait_status(*status), "ended with status 3");
}

TEST(ShellCommand, TakesItsChildrenWithIt) {
  Pipe output;
  ShellCommand command;
  ASSERT_TRUE(command.start("(trap '' TERM; sleep 1000) & echo here; exit 0", output.in.get()));
  std::array<std::uint8_t, 5> word{};
  ASSERT_TRUE(read_all(output.out.get(), "pipe", word));
  command.terminate();
  EXPECT_EQ(output.read(), "");
}

TEST(ShellCommand, LeavesWhatAnEndedOneStarted) {
  Pipe output;
  {
    ShellCommand command;
    ASSERT_TRUE(command.start("(sleep 0.5; echo still here) &", output.in.get()));
    const Waker never;
    ASSERT_TRUE(command.wait(never, 30s));
    command.leave();
  }
  EXPECT_EQ(output.read(), "still here\n");
}

TEST(ShellCommand, EndsWithAProcessThatIsKilled) {
  Pipe output;
  const pid_t owner = ::fork();
  if (owner == 0) {
    ShellCommand command;
    if (!command.start("sleep 1000 & echo here; sleep 1000", output.in.get())) ::_exit(1);
    ::pause();
  }
  std::array<std::uint8_t, 5> word{};
  ASSERT_TRUE(read_all(output.out.get(), "pipe", word));
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  EXPECT_EQ(output.read(), "") << "which ends when the last of the group has";
}

TEST(ShellCommand, HasTheLimitThatWeBeganWith) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  raise_descriptor_limit();
  Pipe output;
  ShellCommand command;
  ASSERT_TRUE(command.start("ulimit -S -n", output.in.get()));
  const rlim_t limit = descriptor_limit_at_start();
  EXPECT_EQ(output.read(), limit == RLIM_INFINITY ? "unlimited\n" : std::to_string(limit) + "\n");
  ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace qanat
