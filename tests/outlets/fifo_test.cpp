#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "outlets/local_outlet_test.h"
#include "support/eventually.h"

namespace qanat::outlets {
namespace {

using test::eventually;

TEST_F(LocalOutletTest, AFifoGivesToEachReaderOtherBytesAndOnlyWhileItIsRead) {
  hub_.credit(64 << 10);
  const auto outlet = start("fifo:" + path("fifo"));
  EXPECT_EQ(hub_.dispenser.report().total.delivered, 0U);
  std::set<std::string> seen;
  for (int reader = 0; reader < 3; ++reader) {
    const UniqueFd fd(::open(path("fifo").c_str(), O_RDONLY | O_CLOEXEC));
    std::string got(128, '\0');
    for (std::size_t done = 0; done < got.size();) {
      const ssize_t n = ::read(fd.get(), got.data() + done, got.size() - done);
      ASSERT_GT(n, 0);
      done += static_cast<std::size_t>(n);
    }
    EXPECT_TRUE(seen.insert(got).second);
    UniqueFd(::dup(fd.get())).reset();
  }
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 0; }));
  outlet->stop();
  // At most 4 KiB lay in the pipe for each reader.
  EXPECT_LE(hub_.dispenser.report().total.delivered, 8U * 3 * (4096 + 256));
  EXPECT_TRUE(hub_.dispenser.report().total.balanced());
  struct stat info {};
  ::stat(path("fifo").c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(LocalOutletTest, AnotherWriterOfAFifoHoldsUpNoStop) {
  hub_.credit(64 << 10);
  const auto outlet = start("fifo:" + path("fifo"));
  EXPECT_EQ(read_fifo("fifo", 128), 128U);
  std::atomic<bool> over{false};
  std::thread flood([&] {
    UniqueFd fd;  // there is no writing end before somebody reads
    const std::string zeros(4096, '\0');
    while (!over) {
      if (!fd) fd = UniqueFd(::open(path("fifo").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
      if (fd) (void)!::write(fd.get(), zeros.data(), zeros.size());
    }
  });
  for (int i = 0; i < 20; ++i) EXPECT_GT(read_fifo("fifo", 100), 0U);
  outlet->stop();
  over = true;
  flood.join();
}

TEST_F(LocalOutletTest, AFifoThatWasDeletedHoldsUpNoStop) {
  auto outlet = start("fifo:" + path("fifo"));
  ASSERT_EQ(::unlink(path("fifo").c_str()), 0);
  outlet->stop();
  outlet = start("fifo:" + path("fifo"));
  ASSERT_EQ(::unlink(path("fifo").c_str()), 0);
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  outlet->stop();
  // Another kind of file in its place, too.
  outlet = start("fifo:" + path("fifo"));
  ASSERT_EQ(::unlink(path("fifo").c_str()), 0);
  ASSERT_TRUE(replace_file(path("fifo"), as_bytes("a file"), 0600));
  outlet->stop();
  EXPECT_EQ(*read_file(path("fifo")), "a file");
}

TEST_F(LocalOutletTest, AFifoThatWasDeletedIsServedAgain) {
  hub_.credit(4096);
  const auto outlet = start("fifo:" + path("fifo"));
  EXPECT_EQ(read_fifo("fifo", 128), 128U);
  // Made again by somebody, while an old reader holds on to the old one and takes nothing.
  const UniqueFd stuck(::open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_EQ(::unlink(path("fifo").c_str()), 0);
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(read_fifo("fifo", 128), 128U);
  // Moved away, with nothing in its place: we make it again.
  ASSERT_EQ(::rename(path("fifo").c_str(), path("away").c_str()), 0);
  EXPECT_TRUE(eventually([&] { return !outlet->report().problem.empty(); }));
  EXPECT_EQ(read_fifo("fifo", 128), 128U);
  EXPECT_TRUE(eventually([&] { return outlet->report().problem.empty(); }));
  EXPECT_GE(hub_.told().size(), 4U) << "each time that it was gone, and that it was back";
}

TEST_F(LocalOutletTest, AFifoThatCannotBeOpenedIsAProblemAndTriedAgain) {
  hub_.credit(4096);
  const auto outlet = start("fifo:" + path("fifo"));
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 3;  // standard input, output and error have these
  ::setrlimit(RLIMIT_NOFILE, &none);
  ASSERT_EQ(::unlink(path("fifo").c_str()), 0);
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  const bool told = eventually(
      [&] { return outlet->report().problem.find("Too many open files") != std::string::npos; });
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(told) << outlet->report().problem;
  EXPECT_EQ(read_fifo("fifo", 128), 128U);
  EXPECT_EQ(outlet->report().problem, "");
}

TEST_F(LocalOutletTest, WhatOneReaderLeavesInAFifoIsNotTheNextOnes) {
  hub_.credit(64);
  const auto outlet = start("fifo:" + path("fifo"));
  {
    const UniqueFd reader(::open(path("fifo").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(eventually([&] { return outlet->report().full_bytes == 64; }));
  }
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 0; }));
  const UniqueFd next(::open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 1; }));
  std::array<std::uint8_t, 64> got{};
  EXPECT_EQ(::read(next.get(), got.data(), got.size()), -1) << "as old as the last reader";
  hub_.credit(64);
  EXPECT_TRUE(eventually([&] { return ::read(next.get(), got.data(), got.size()) == 64; }));
}

TEST_F(LocalOutletTest, AFifoOfGradeDrbgIsEndless) {
  const auto outlet = start("fifo:" + path("fifo") + "?grade=drbg");
  hub_.credit(48);
  const UniqueFd fd(::open(path("fifo").c_str(), O_RDONLY | O_CLOEXEC));
  std::size_t done = 0;
  std::array<char, 4096> piece;
  while (done < 1000000)
    done += static_cast<std::size_t>(
        std::max<ssize_t>(0, ::read(fd.get(), piece.data(), piece.size())));
  EXPECT_EQ(hub_.dispenser.report().total.reseed, 8U * 48);
}

}  // namespace
}  // namespace qanat::outlets
