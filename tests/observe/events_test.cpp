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

TEST(Events, FollowersGoOnWhereTheyWere) {
  Events events(0x18bd);
  events.add("a", "one", EventKind::note);
  events.add("a", "two", EventKind::source_failed);
  const auto all = events.since({});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].id.substr(0, 5), "18bd-");
  EXPECT_GT(all[1].number, all[0].number);
  const auto last = EventId::parse(all[0].id);
  ASSERT_TRUE(last);
  const auto rest = events.since(*last);
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0].text, "two");
  EXPECT_EQ(events.since({0x18bc, 2}).size(), 2U) << "of another run: all";
  EXPECT_EQ(events.since({0x18bd, events.last().number + 1}).size(), 2U) << "it never was";
  EXPECT_TRUE(events.since(events.last()).empty());
  EXPECT_EQ(events.counts().at(EventKind::source_failed), 1U);
}

TEST(Events, AUrlStandsOnceInAMessage) {
  Events events;
  const std::string url = "https://hub:7749";
  events.add(url + " as leaf", url + " answered 401: no", EventKind::note);
  events.add(url + " as leaf", url + ": no TLS", EventKind::note);
  events.add(url, url + "0 is another", EventKind::note);
  events.add("kernel", "kernel: no", EventKind::note);
  const auto told = events.recent();
  ASSERT_EQ(told.size(), 4U);
  EXPECT_EQ(told[0].text, "answered 401: no");
  EXPECT_EQ(told[1].text, "no TLS");
  EXPECT_EQ(told[2].text, url + "0 is another");
  EXPECT_EQ(told[3].text, "kernel: no");
}

TEST(Events, OnlyAnIdIsAnId) {
  EXPECT_EQ(EventId::parse("18bd-2"), (EventId{0x18bd, 2}));
  for (const char* const bad : {"", "-", "18bd", "18bd-", "-2", "18bd-2x", "zz-2", "18bd--2",
                                "18bd-99999999999999999999999", " 18bd-2"}) {
    EXPECT_FALSE(EventId::parse(bad)) << bad;
  }
}

TEST(Events, ListenersHearUntilTheyStop) {
  Events events;
  std::vector<std::string> heard;
  auto subscription =
      events.listeners().add([&](const Event& event) { heard.push_back(event.text); });
  events.add("a", "one", EventKind::note);
  subscription.reset();
  events.add("a", "two", EventKind::note);
  EXPECT_EQ(heard, std::vector<std::string>{"one"});
}

TEST(Events, WhoeverActsOnThemMissesNone) {
  Events events;
  std::vector<EventKind> happened;
  std::size_t kept = 0;
  auto all = events.happenings().add([&](const Event& event) { happened.push_back(event.kind); });
  auto some = events.listeners().add([&](const Event&) { ++kept; });
  for (std::size_t i = 0; i < 3 * Events::at_once; ++i) {
    events.add("fifo", "gone", EventKind::source_gone);
    events.add("fifo", "healthy", EventKind::source_back);
  }
  EXPECT_EQ(happened.size(), 6 * Events::at_once);
  EXPECT_EQ(happened.back(), EventKind::source_back);
  EXPECT_EQ(kept, 2 * Events::at_once) << "the others are told as sums";
}

TEST(Events, TheStatusHasTheLastHundred) {
  Events events;
  for (int i = 0; i < 150; ++i) events.record("a", std::to_string(i));
  EXPECT_EQ(events.recent().size(), Events::in_status);
  EXPECT_EQ(events.recent().back().text, "149");
  EXPECT_EQ(events.since({}).size(), 150U);
}

}  // namespace
}  // namespace qanat::observe
