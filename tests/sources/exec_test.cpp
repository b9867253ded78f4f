#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "sources/source_test.h"
#include "support/eventually.h"

namespace qanat::sources {
namespace {

using test::eventually;
using namespace std::chrono_literals;

TEST_F(SourceTest, ACommandFillsTheReserveAndSleepsThen) {
  auto source = start("exec:cat /dev/urandom?h=8");
  EXPECT_TRUE(eventually([&] { return dispenser_.report().fill == dispenser_.report().target; }));
  EXPECT_EQ(source->report().state, entropy::SourceState::healthy);
  EXPECT_FALSE(dispenser_.demand());
  EXPECT_TRUE(dispenser_.report().total.balanced());
}

TEST_F(SourceTest, ACommandThatEndsIsGoneAndStartedAgain) {
  auto source = start("exec:head -c 3000 /dev/urandom?h=4");
  EXPECT_TRUE(reaches(*source, "gone"));
  EXPECT_NE(source->report().detail.find("status 0"), std::string::npos) << source->report().detail;
  const auto bytes = source->report().bytes;
  EXPECT_TRUE(eventually([&] { return source->report().bytes > bytes; }));
}

TEST_F(SourceTest, ACommandThatIgnoresSigtermIsKilled) {
  auto source = start("exec:trap '' TERM; while :; do head -c 512 /dev/urandom; sleep 1; done");
  EXPECT_TRUE(eventually([&] { return source->report().bytes > 0; }));
  source->request_stop();
  EXPECT_TRUE(source->join(20s));
}

TEST_F(SourceTest, AStuckCommandFailsWithAnAlarmAndCreditsNothing) {
  auto source = start("exec:cat /dev/zero");
  EXPECT_TRUE(reaches(*source, "failed"));
  EXPECT_EQ(dispenser_.report().total.credited, 0U);
  EXPECT_EQ(source->report().failures, 1U);
  // Said once the state is as it says.
  EXPECT_TRUE(eventually([&] {
    const std::scoped_lock lock(mutex_);
    return !events_.empty();
  }));
  const std::scoped_lock lock(mutex_);
  ASSERT_FALSE(events_.empty());
  EXPECT_NE(events_[0].find("failed: repetition count"), std::string::npos) << events_[0];
}

TEST_F(SourceTest, ASilentSourceHoldsUpNobody) {
  ASSERT_EQ(::mkfifo(path("silent").c_str(), 0600), 0);
  const UniqueFd writer(::open(path("silent").c_str(), O_RDWR | O_CLOEXEC));
  auto silent = start("file:" + path("silent"));
  auto lively = start("exec:cat /dev/urandom?h=8");
  EXPECT_TRUE(eventually([&] { return dispenser_.report().fill == dispenser_.report().target; }));
  EXPECT_EQ(silent->report().bytes, 0U);
  silent->request_stop();
  EXPECT_TRUE(silent->join(20s)) << "a stop interrupts the wait";
}

TEST_F(SourceTest, ARetestGoesThroughStartUp) {
  auto source = start("exec:cat /dev/urandom?h=8");
  EXPECT_TRUE(reaches(*source, "healthy"));
  EXPECT_TRUE(eventually([&] { return dispenser_.report().fill == dispenser_.report().target; }));
  const auto bytes = source->report().bytes;
  source->retest();
  EXPECT_TRUE(eventually([&] { return source->report().bytes >= bytes + 1024; }))
      << "the tests run although nobody wants bytes";
  EXPECT_TRUE(reaches(*source, "healthy"));
}

}  // namespace
}  // namespace qanat::sources
