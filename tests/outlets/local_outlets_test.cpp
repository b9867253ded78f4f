#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "outlets/registry.h"
#include "support/eventually.h"
#include "support/test_hub.h"

namespace qanat::outlets {
namespace {

using test::eventually;

class LocalOutletsTest : public testing::Test {
 protected:
  LocalOutletsTest() {
    std::string pattern = testing::TempDir() + "/qanat-outlets-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~LocalOutletsTest() override { std::filesystem::remove_all(directory_); }
  std::unique_ptr<Outlet> start(const std::string& text) {
    auto outlet = make_outlet(text, {}, hub_.services());
    outlet->start();
    return outlet;
  }
  std::string path(const char* name) const { return directory_ + "/" + name; }

  std::string directory_;
  test::TestHub hub_;
};

TEST_F(LocalOutletsTest, ASeedFileIsPrivateAndWhole) {
  hub_.credit(64);
  const auto outlet = start("file:" + path("seed"));
  EXPECT_TRUE(eventually([&] { return outlet->report().deliveries == 1; }));
  EXPECT_EQ(read_secret_file(path("seed"))->size(), 64U);
  EXPECT_EQ(hub_.dispenser.report().total.delivered, 512U);
}

TEST_F(LocalOutletsTest, AnOldSeedIsReplacedBeforeItIsUsed) {
  ASSERT_TRUE(replace_file(path("seed"), as_bytes(std::string(64, 'o')), 0600));
  const auto outlet = start("file:" + path("seed"));
  // Nothing has been delivered, and the old seed is gone already.
  EXPECT_EQ(outlet->report().deliveries, 0U);
  EXPECT_NE(as_text(read_secret_file(path("seed"))->view()), std::string(64, 'o'));
}

TEST_F(LocalOutletsTest, ASeedThatCannotBeReplacedIsNotUsedAndTheFailureIsSaid) {
  // A directory in which nothing can be created: replacing fails, also for root.
  hub_.credit(64);
  const auto outlet = start("file:/proc/qanat-seed");
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("failed") == 1; }));
  EXPECT_FALSE(outlet->report().problem.empty());
  EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().total.discarded == 512; }))
      << "not delivered, and given to nobody else";
}

TEST_F(LocalOutletsTest, AFifoGivesToEachReaderOtherBytesAndOnlyWhileItIsRead) {
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

TEST_F(LocalOutletsTest, AFifoOfGradeDrbgIsEndless) {
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

TEST_F(LocalOutletsTest, ASeedOfGradeDrbgWaitsForTheGeneratorAndCostsNothing) {
  const auto outlet = start("file:" + path("seed") + "?grade=drbg&every=1h");
  hub_.seed_drbg();
  EXPECT_TRUE(eventually([&] { return outlet->report().deliveries == 1; }));
  EXPECT_EQ(outlet->report().drbg_bytes, 64U);
  EXPECT_EQ(outlet->report().refused.at("failed"), 0U);
  EXPECT_EQ(std::filesystem::file_size(path("seed")), 64U);
  EXPECT_EQ(hub_.dispenser.report().total.delivered, 0U);
}

TEST_F(LocalOutletsTest, AScheduledOutletDeliversAgainWhenTold) {
  hub_.credit(256);
  const auto outlet = start("file:" + path("seed") + "?every=1h");
  EXPECT_TRUE(eventually([&] { return outlet->report().deliveries == 1; }));
  outlet->feed_now();
  EXPECT_TRUE(eventually([&] { return outlet->report().deliveries == 2; }));
}

}  // namespace
}  // namespace qanat::outlets
