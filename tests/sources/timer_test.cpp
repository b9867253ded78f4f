#include "sources/timer.h"

#include <gtest/gtest.h>

#include "sources/source_test.h"

namespace qanat::sources {
namespace {

using namespace std::chrono_literals;
using test::eventually;

TEST_F(SourceTest, TheKernelsTimersAreASource) {
  auto source = start("timer?every=1ms&h=0.5");
  EXPECT_TRUE(eventually([&] { return dispenser_.report().total.credited > 0; }));
}

TEST_F(SourceTest, ATimerEndsAtOnceWhenItIsWoken) {
  Timer timer(1h);
  const Waker waker;
  ASSERT_TRUE(timer.open(waker));
  waker.wake();
  std::array<std::uint8_t, 16> out{};
  EXPECT_EQ(timer.read(out, waker).value_or(99), 0U);
}

TEST_F(SourceTest, ATimerIsDisarmedAtRest) {
  EXPECT_TRUE(Timer(1ms).closed_at_rest());
  EXPECT_THROW(make_source("timer?every=0ms", {dispenser_, key_, provenance_, clock_, {}, ""}),
               Failure);
}

}  // namespace
}  // namespace qanat::sources
