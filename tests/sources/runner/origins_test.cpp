#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <thread>

#include "sources/registry.h"
#include "sources/source_test.h"
#include "support/eventually.h"
#include "support/noise.h"

namespace qanat::sources {
namespace {

using test::eventually;
using namespace std::chrono_literals;

TEST_F(SourceTest, TheKernelsGeneratorCountsNothingByWhateverName) {
  ASSERT_EQ(::symlink("/dev/urandom", path("link").c_str()), 0);
  std::vector<std::unique_ptr<RunningSource>> sources;
  for (const std::string& name : {std::string("device:/dev/urandom"), "file:" + path("link"),
                                  std::string("device:/dev/random?h=8"),
                                  std::string("exec:dd if=/dev/urandom 2>/dev/null")}) {
    EXPECT_FALSE(describe_source(name).credit) << name;
    EXPECT_FALSE(describe_source(name).note.empty()) << name;
    sources.push_back(start(name));
    EXPECT_TRUE(reaches(*sources.back(), "healthy")) << name;
    EXPECT_FALSE(sources.back()->report().credit) << name;
  }
  EXPECT_NE(sources[0]->report().detail.find("the kernel's own generator"), std::string::npos);
  EXPECT_EQ(dispenser_.report().total.credited, 0U);
  const auto vouched = start("device:/dev/urandom?credit=yes");
  EXPECT_TRUE(eventually([&] { return dispenser_.report().total.credited > 0; }));
  EXPECT_TRUE(vouched->report().credit);
  {
    const std::scoped_lock lock(mutex_);
    EXPECT_TRUE(std::any_of(events_.begin(), events_.end(), [&](const std::string& event) {
      return event.find("is counted twice") != std::string::npos;
    })) << "which is said";
  }
  EXPECT_TRUE(describe_source("exec:cat /dev/urandom?h=8").credit) << "that is a claim";
}

TEST_F(SourceTest, AFileUnderTwoNamesCountsOnce) {
  write_file(path("a"), test::uniform(2560, 1));
  ASSERT_EQ(::link(path("a").c_str(), path("b").c_str()), 0);
  auto first = start("file:" + path("a"));
  ASSERT_TRUE(reaches(*first, "gone"));
  const auto credited = dispenser_.report().total.credited;
  EXPECT_GT(credited, 0U);
  const auto second = start("file:" + path("b"));
  ASSERT_TRUE(reaches(*second, "gone"));
  running_.clear();
  first.reset();
  const auto third = start("file:" + directory_ + "/./a");
  ASSERT_TRUE(reaches(*third, "gone"));
  EXPECT_EQ(dispenser_.report().total.credited, credited) << "nor once the first has ended";
  const std::scoped_lock lock(mutex_);
  EXPECT_TRUE(std::any_of(events_.begin(), events_.end(), [&](const std::string& event) {
    return event.find("it is the same as file:" + path("a")) != std::string::npos;
  }));
}

TEST_F(SourceTest, ADeviceCountsForItsNextHolderOnceTheFirstHasEnded) {
  int master = -1;
  int slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const UniqueFd device(master);
  const UniqueFd keep(slave);
  std::array<char, 64> name{};
  ASSERT_EQ(::ttyname_r(slave, name.data(), name.size()), 0);
  std::atomic<bool> stop{false};
  ::fcntl(master, F_SETFL, O_NONBLOCK);
  std::thread noise([&] {
    for (std::uint64_t seed = 0; !stop; ++seed) {
      const auto samples = test::uniform(512, seed);
      if (::write(master, samples.data(), samples.size()) < 0) std::this_thread::sleep_for(1ms);
    }
  });
  auto first = start(fmt::format("device:{}", name.data()));
  EXPECT_TRUE(eventually([&] { return first->report().bytes > 0; }));
  const auto second = start(fmt::format("device:{}?h=2", name.data()));
  EXPECT_TRUE(eventually([&] { return !second->report().credit; }));
  EXPECT_TRUE(eventually([&] { return dispenser_.report().fill == dispenser_.report().target; }));
  running_.erase(running_.begin());
  first.reset();
  dispenser_.renew();
  EXPECT_TRUE(eventually([&] { return second->report().credit; }));
  stop = true;
  noise.join();
}

}  // namespace
}  // namespace qanat::sources
