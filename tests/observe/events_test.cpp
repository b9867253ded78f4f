#include "observe/events.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace qanat::observe {
namespace {

TEST(Events, OneSubjectDoesNotPushOutTheOthers) {
  Events events;
  for (std::size_t i = 0; i < 5; ++i) events.record("quiet", fmt::format("quiet {}", i));
  for (std::size_t i = 0; i < 3 * Events::kept; ++i) {
    events.record("busy", fmt::format("busy {}", i));
  }
  const std::vector<Event> recent = events.recent(TimePoint(), Events::kept);
  ASSERT_EQ(recent.size(), Events::kept);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(recent[i].text, fmt::format("quiet {}", i));
  EXPECT_EQ(recent.back().text, fmt::format("busy {}", 3 * Events::kept - 1)) << "the newest stays";
}

}  // namespace
}  // namespace qanat::observe
