// What happens to a node whose machine may be a copy of another.
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "node/node.h"
#include "support/eventually.h"
#include "support/noise.h"
#include "support/temporary_directory.h"

namespace qanat::node {
namespace {

using test::eventually;
using namespace std::chrono_literals;

class RenewalTest : public testing::Test {
 protected:
  const test::TemporaryDirectory temporary_;
  const std::string directory_ = temporary_.path();

  std::string path(const char* name) const { return directory_ + "/" + name; }
  std::string content(const char* name) const { return read_file(path(name)).value_or(""); }
};

class RenewedNodeTest : public RenewalTest {
 protected:
  NodeSettings settings() {
    NodeSettings settings;
    settings.state_path = path("state");
    settings.config.sources = {"exec:cat /dev/urandom?h=8"};
    settings.generation_path = path("generation");
    settings.config.on_reseed = {"echo $QANAT_GENERATION > " + path("told")};
    return settings;
  }
};

TEST_F(RenewedNodeTest, NothingOfBeforeIsGivenToAnybody) {
  Node node(settings());
  node.start();
  const auto full = [&] {
    const auto report = node.report().dispenser;
    return report.fill == report.target;
  };
  ASSERT_TRUE(eventually(full));
  const auto before = node.report();
  node.renew("the test");
  const auto after = node.report();
  EXPECT_EQ(after.generation, before.generation + 1);
  EXPECT_GE(after.dispenser.total.discarded - before.dispenser.total.discarded,
            8 * before.dispenser.fill)
      << "the whole reserve";
  EXPECT_TRUE(after.dispenser.total.balanced());
  EXPECT_TRUE(eventually(full)) << "and it is filled again";
  EXPECT_TRUE(eventually([&] { return content("told") == "2\n"; }));
  EXPECT_TRUE(node.stop(5s));
}

TEST_F(RenewedNodeTest, TheGeneratorsOfOutletsAreSeededAnewToo) {
  NodeSettings with_fifo = settings();
  with_fifo.config.threads = 1;
  with_fifo.config.outlets = {"fifo:" + path("fifo") + "?grade=drbg"};
  Node node(std::move(with_fifo));
  node.start();
  const auto spent = [&] { return node.report().dispenser.total.reseed; };
  constexpr std::uint64_t seed = 8U * 48;
  ASSERT_TRUE(eventually([&] { return spent() == 2 * seed; })) << "the thread's and the FIFO's";
  const UniqueFd reader(::open(path("fifo").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<std::uint8_t, 64 << 10> some{};
  EXPECT_EQ(read_all(reader.get(), "the FIFO", some), some.size());
  EXPECT_EQ(spent(), 2 * seed) << "not for so few bytes";
  node.renew("the test");
  EXPECT_EQ(read_all(reader.get(), "the FIFO", some), some.size());
  EXPECT_TRUE(eventually([&] { return spent() == 3 * seed; })) << spent();
  EXPECT_TRUE(node.stop(5s));
}

TEST_F(RenewedNodeTest, ASeedThatNoKernelTakesIsLeftToItsSource) {
  Node node(settings());
  node.start();
  const std::string seed(64, 's');
  EXPECT_FALSE(node.renew("the test", {0, as_bytes(seed), 64}));
  EXPECT_TRUE(node.report().dispenser.total.balanced());
}

// The writer of a FIFO keeps it full: what lies in it was read by nobody, and both copies have it.
TEST_F(RenewedNodeTest, WhatLiesInAPipeAtARenewalIsNotCredited) {
  ::mkfifo(path("pipe").c_str(), 0600);
  NodeSettings with_pipe = settings();
  with_pipe.config.sources = {"file:" + path("pipe") + "?h=8"};
  with_pipe.config.reserve_bytes = 4096;
  with_pipe.config.threads = 1;
  Node node(std::move(with_pipe));
  node.start();
  const UniqueFd writer(::open(path("pipe").c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(writer);
  std::uint64_t seed = 0;
  const auto write = [&](std::size_t bytes) {
    const auto some = test::uniform(bytes, ++seed);
    return ::write(writer.get(), some.data(), some.size()) == static_cast<ssize_t>(some.size());
  };
  const auto held = [&] {
    int bytes = 0;
    ::ioctl(writer.get(), FIONREAD, &bytes);
    return bytes;
  };
  const auto full = [&] {
    const auto report = node.report().dispenser;
    return report.fill == report.target;
  };
  ASSERT_TRUE(eventually([&] {
    (void)write(4096);
    return full();
  }));
  while (write(4096)) {
  }
  ASSERT_GT(held(), 32 << 10);
  const auto before = node.report();
  node.renew("the test");
  ASSERT_TRUE(eventually([&] { return held() == 0; }));
  EXPECT_EQ(node.report().dispenser.total.credited, before.dispenser.total.credited);
  // Two windows for the start-up tests, and one that counts: seven blocks of 72 samples.
  const std::uint64_t samples = node.report().sources.at(0).bytes;
  ASSERT_TRUE(write(3 * entropy::window_samples));
  EXPECT_TRUE(eventually(
      [&] { return node.report().sources.at(0).bytes >= samples + 3 * entropy::window_samples; }));
  EXPECT_TRUE(eventually(
      [&] { return node.report().sources.at(0).state == entropy::SourceState::healthy; }));
  EXPECT_LE(node.report().dispenser.total.credited,
            before.dispenser.total.credited + 7U * entropy::output_bits);
  EXPECT_TRUE(node.stop(5s));
}

// The real kernel: root gives it a seed, and the ledger has it as delivered.
TEST_F(RenewedNodeTest, AFreshSeedGoesToTheKernelAndIsPaidForOnce) {
  if (::geteuid() != 0) GTEST_SKIP() << "takes root";
  NodeSettings with_kernel = settings();
  with_kernel.config.sources = {"exec:sleep 1000"};
  with_kernel.config.outlets = {"kernel?every=1h"};
  Node node(std::move(with_kernel));
  node.start();
  const std::string seed = to_hex(std::array<std::uint8_t, 32>{});
  ASSERT_TRUE(node.renew("the test", {0, as_bytes(seed), 64}));
  const auto after = node.report();
  EXPECT_EQ(after.dispenser.total.credited, 512U);
  EXPECT_EQ(after.dispenser.total.delivered, 512U);
  EXPECT_TRUE(after.dispenser.total.balanced());
  EXPECT_EQ(after.outlets.at(0).full_bytes, 64U);
  // Uncredited: mixed in, and nothing is booked.
  ASSERT_TRUE(node.renew("the test", {0, as_bytes(seed), 0}));
  EXPECT_EQ(node.report().dispenser.total.credited, 512U);
}

}  // namespace
}  // namespace qanat::node
