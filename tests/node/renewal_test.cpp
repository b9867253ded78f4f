// What happens to a node whose machine may be a copy of another.
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "machine/generation.h"
#include "machine/reseed_commands.h"
#include "machine/resume_watch.h"
#include "node/node.h"
#include "support/eventually.h"
#include "support/noise.h"

namespace qanat::node {
namespace {

using test::eventually;
using namespace std::chrono_literals;

class RenewalTest : public testing::Test {
 protected:
  RenewalTest() {
    std::string pattern = testing::TempDir() + "/qanat-renewal-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~RenewalTest() override { std::filesystem::remove_all(directory_); }
  std::string path(const char* name) const { return directory_ + "/" + name; }
  std::string content(const char* name) const { return read_file(path(name)).value_or(""); }

  std::string directory_;
};

TEST_F(RenewalTest, TheGenerationGoesUpUnderTheEyesOfOthersAndOverRestarts) {
  const std::string file = path("run/generation");
  machine::Generation first(file);
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
  machine::Generation again(file);
  EXPECT_EQ(again.value(), 2U) << "another process";
  again.advance();
  EXPECT_EQ(*seen, 3U) << "the same file as before";
}

TEST_F(RenewalTest, WhereTheGenerationCannotBeToldTheNodeGoesOn) {
  machine::Generation none("/proc/no/such/place");
  EXPECT_EQ(none.advance(), 0U);
  machine::Generation unnamed("");
  EXPECT_EQ(unnamed.value(), 0U);
}

class ReseedCommandsTest : public RenewalTest {
 protected:
  // Before the commands, which may have something to tell until they end.
  std::mutex mutex_;
  std::string told_;
  machine::ReseedCommands commands_{[this](const std::string&, const std::string& text, bool) {
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

TEST_F(RenewalTest, ACommandThatHangsEndsWithTheProgram) {
  machine::ReseedCommands commands([](const std::string&, const std::string&, bool) {});
  commands.set({"echo $$ > " + path("pid") + "; exec sleep 1000"});
  commands.run("test", 1);
  EXPECT_TRUE(eventually([&] { return !content("pid").empty(); }));
}

std::string link_message(int index, unsigned flags, std::string_view name,
                         unsigned short type = RTM_NEWLINK) {
  nlmsghdr head{};
  ifinfomsg link{};
  rtattr attribute{};
  link.ifi_index = index;
  link.ifi_flags = flags;
  attribute.rta_type = IFLA_IFNAME;
  attribute.rta_len = static_cast<unsigned short>(RTA_LENGTH(name.size() + 1));
  head.nlmsg_type = type;
  std::string body(NLMSG_ALIGN(sizeof link) + RTA_ALIGN(attribute.rta_len), '\0');
  std::memcpy(body.data(), &link, sizeof link);
  std::memcpy(body.data() + NLMSG_ALIGN(sizeof link), &attribute, sizeof attribute);
  std::copy(name.begin(), name.end(),
            body.begin() + static_cast<std::ptrdiff_t>(NLMSG_ALIGN(sizeof link) + RTA_LENGTH(0)));
  head.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(0) + body.size());
  std::string out(NLMSG_LENGTH(0), '\0');
  std::memcpy(out.data(), &head, sizeof head);
  return out + body;
}

constexpr unsigned up = IFF_UP | IFF_RUNNING;
constexpr unsigned lost = IFF_UP;

TEST(LinkWatch, TellsOfWhatWasLostAndHasComeBackAndOfNothingElse) {
  machine::LinkWatch links;
  const auto hear = [&](const std::string& messages) {
    return links.hear(messages, [](const std::string& name) { return name.starts_with("eth"); })
        .value_or("");
  };
  EXPECT_EQ(hear(link_message(2, up, "eth0")), "") << "first seen";
  EXPECT_EQ(hear(link_message(2, up, "eth0")), "");
  EXPECT_EQ(hear(link_message(2, lost, "eth0")), "");
  EXPECT_EQ(hear(link_message(2, up, "eth0")), "eth0");
  EXPECT_EQ(hear(link_message(2, up, "eth0")), "") << "once";
  EXPECT_EQ(hear(link_message(2, lost, "eth0") + link_message(2, up, "eth0")), "eth0");
  EXPECT_EQ(hear(link_message(3, lost, "veth9") + link_message(3, up, "veth9")), "")
      << "a container's";
  EXPECT_EQ(hear(link_message(2, lost, "eth0") + link_message(2, lost, "eth0", RTM_DELLINK) +
                 link_message(2, up, "eth0")),
            "")
      << "another link of that number";
}

TEST(LinkWatch, TakesAnyBytes) {
  machine::LinkWatch links;
  const auto all = [](const std::string&) { return true; };
  const std::string good = link_message(2, lost, "eth0") + link_message(2, up, "eth0");
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    links.hear(std::string_view(good).substr(0, cut), all);
    std::string spoiled = good;
    for (const char byte : {'\0', '\x7f', '\xff'}) {
      spoiled[cut] = byte;
      links.hear(spoiled, all);
    }
  }
}

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
    const auto report = node.snapshot().dispenser;
    return report.fill == report.target;
  };
  ASSERT_TRUE(eventually(full));
  const auto before = node.snapshot();
  node.renew("the test");
  const auto after = node.snapshot();
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
  const auto spent = [&] { return node.snapshot().dispenser.total.reseed; };
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
  EXPECT_TRUE(node.snapshot().dispenser.total.balanced());
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
    const auto report = node.snapshot().dispenser;
    return report.fill == report.target;
  };
  ASSERT_TRUE(eventually([&] {
    (void)write(4096);
    return full();
  }));
  while (write(4096)) {
  }
  ASSERT_GT(held(), 32 << 10);
  const auto before = node.snapshot();
  node.renew("the test");
  ASSERT_TRUE(eventually([&] { return held() == 0; }));
  EXPECT_EQ(node.snapshot().dispenser.total.credited, before.dispenser.total.credited);
  // Two windows for the start-up tests, and one that counts: seven blocks of 72 samples.
  const std::uint64_t samples = node.snapshot().sources.at(0).bytes;
  ASSERT_TRUE(write(3 * entropy::window_samples));
  EXPECT_TRUE(eventually([&] {
    return node.snapshot().sources.at(0).bytes >= samples + 3 * entropy::window_samples;
  }));
  EXPECT_TRUE(eventually(
      [&] { return node.snapshot().sources.at(0).state == entropy::SourceState::healthy; }));
  EXPECT_LE(node.snapshot().dispenser.total.credited,
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
  const auto after = node.snapshot();
  EXPECT_EQ(after.dispenser.total.credited, 512U);
  EXPECT_EQ(after.dispenser.total.delivered, 512U);
  EXPECT_TRUE(after.dispenser.total.balanced());
  EXPECT_EQ(after.outlets.at(0).full_bytes, 64U);
  // Uncredited: mixed in, and nothing is booked.
  ASSERT_TRUE(node.renew("the test", {0, as_bytes(seed), 0}));
  EXPECT_EQ(node.snapshot().dispenser.total.credited, 512U);
}

}  // namespace
}  // namespace qanat::node
