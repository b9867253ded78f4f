#include "outlets/trickle/cookie_keeper.h"
#include "outlets/trickle/cookie_hours.h"

#include <gtest/gtest.h>

#include <thread>

#include "crypto/aead.h"

namespace qanat::outlets {
namespace {

namespace trickle = wire::trickle;

constexpr std::uint64_t year_2038 = 2147483647;

// A node's keeper with its disk, which may fail.
struct Hub {
  explicit Hub(std::string text = "") : disk(std::move(text)) {}
  CookieKeeper keeper() {
    return {{.name = "trickle.key",
             .read = [this]() -> Result<SecretBytes> {
               if (unreadable) return error("trickle.key: Input/output error");
               return SecretBytes(as_bytes(disk));
             },
             .write = [this](Bytes text) -> Result<void> {
               if (read_only) return error("trickle.key: Read-only file system");
               disk = std::string(as_text(text));
               return {};
             }},
            [this](const std::string& text, EventKind kind) {
              (is_alarm(kind) ? alarms : events).push_back(text);
              if (on_tell) on_tell();
            }};
  }
  std::string disk;
  bool read_only = false;
  bool unreadable = false;
  std::vector<std::string> alarms;
  std::vector<std::string> events;
  std::function<void()> on_tell;
};

// Whether a thread that answers datagrams opens what a session gave out.
bool opens(const CookieKeeper& keeper) {
  trickle::CookieContent content;
  const trickle::Cookie cookie = keeper.seal(content);
  trickle::CookieContent out;
  const auto own = keeper.copy();
  const Bytes key = own.keys.find(trickle::generation_of(cookie));
  return !key.empty() && trickle::open_cookie(key, cookie, out);
}

// An event may want to know of the keeper, on this thread or another that waits for this one.
TEST(CookieKeeper, TellsWithNoMutexHeld) {
  Hub hub;
  {
    CookieKeeper future = hub.keeper();
    future.begin(year_2038);
  }
  CookieKeeper keeper = hub.keeper();
  std::string problem;
  hub.on_tell = [&] {
    keeper.renew();
    keeper.keep(start);
    problem = keeper.problem();
  };
  hub.read_only = true;
  keeper.begin(start);
  EXPECT_FALSE(hub.alarms.empty());
  EXPECT_FALSE(problem.empty());
  hub.disk = "nonsense";
  keeper.reload(start);
  EXPECT_GE(hub.alarms.size(), 2U);
}

TEST(CookieKeeper, MakesAKeyKeepsItAndFindsItAgain) {
  Hub hub;
  CookieKeeper first = hub.keeper();
  first.begin(start);
  EXPECT_TRUE(CookieKeys::parse(hub.disk, 0));
  CookieKeeper second = hub.keeper();
  second.begin(start);
  EXPECT_TRUE(first.copy().keys.same_chain(second.copy().keys));
  EXPECT_NE(first.copy().mark, second.copy().mark) << "another run";
  const std::string before = hub.disk;
  first.turn(start + hour);
  EXPECT_EQ(hub.disk, before) << "no disk is waited for where datagrams are";
  first.keep(start + hour);
  EXPECT_NE(hub.disk, before);
  EXPECT_TRUE(hub.alarms.empty() && hub.events.empty());
  EXPECT_EQ(first.problem(), "");
}

TEST(CookieKeeper, WhatHappensToTheFileChangesNoCookie) {
  Hub hub;
  CookieKeeper keeper = hub.keeper();
  keeper.begin(start);
  const auto before = keeper.copy();
  hub.disk.clear();
  EXPECT_TRUE(opens(keeper));
  keeper.keep(start);
  EXPECT_NE(hub.disk, "") << "written again";
  EXPECT_TRUE(keeper.copy().keys.same_chain(before.keys));
  hub.disk.clear();
  hub.read_only = true;
  keeper.keep(start);
  keeper.keep(start);
  ASSERT_EQ(hub.alarms.size(), 1U) << "told once";
  EXPECT_NE(hub.alarms[0].find("Read-only file system"), std::string::npos);
  EXPECT_EQ(keeper.problem(), hub.alarms[0]);
  EXPECT_TRUE(opens(keeper));
  keeper.keep(start + hour);
  EXPECT_TRUE(opens(keeper));
  hub.read_only = false;
  keeper.keep(start + hour);
  EXPECT_EQ(keeper.problem(), "");
  EXPECT_TRUE(CookieKeys::parse(hub.disk, 0)->same_chain(before.keys));
}

TEST(CookieKeeper, AClockThatGoesADayForwardAndBackLosesNoCookie) {
  Hub hub;
  CookieKeeper keeper = hub.keeper();
  keeper.begin(start);
  keeper.keep(start + 24 * hour);
  EXPECT_TRUE(opens(keeper));
  keeper.keep(start);
  EXPECT_TRUE(opens(keeper));
  EXPECT_EQ(hub.alarms.size(), 1U);
  EXPECT_NE(keeper.problem().find("24 hours ahead"), std::string::npos) << keeper.problem();
  keeper.turn(start + 5 * hour);
  EXPECT_EQ(hub.alarms.size(), 1U) << "told once";
  keeper.keep(start + 25 * hour);
  EXPECT_EQ(keeper.problem(), "");
  EXPECT_TRUE(opens(keeper));
}

TEST(CookieKeeper, AClockThatWasInTheFutureOnceCostsSessionsAndIsTold) {
  Hub hub;
  Hub sibling;
  {
    CookieKeeper keeper = hub.keeper();
    keeper.begin(start);
    sibling.disk = hub.disk;
    keeper.keep(year_2038);
  }
  // The next start has the right time.
  CookieKeeper keeper = hub.keeper();
  keeper.begin(start + 10);
  EXPECT_EQ(keeper.copy().keys.generation(), CookieKeys::generation_at(start));
  ASSERT_EQ(hub.alarms.size(), 1U);
  EXPECT_NE(hub.alarms[0].find("ahead of the clock"), std::string::npos);
  EXPECT_NE(hub.alarms[0].find("SIGHUP"), std::string::npos);
  EXPECT_EQ(CookieKeys::parse(hub.disk, 0)->generation(), CookieKeys::generation_at(start));
  EXPECT_TRUE(opens(keeper));
  // As the alarm says: its sibling's key is taken up.
  CookieKeeper other = sibling.keeper();
  other.begin(start + hour);
  hub.disk = sibling.disk;
  keeper.reload(start + hour);
  EXPECT_TRUE(keeper.copy().keys.same_chain(other.copy().keys));
  EXPECT_EQ(hub.events.size(), 1U);
  EXPECT_TRUE(opens(keeper));
}

TEST(CookieKeeper, WithoutAClockTheKeyOfTheFileStaysUntilThereIsOne) {
  Hub hub;
  CookieKeeper before = hub.keeper();
  before.begin(start);
  const std::string text = hub.disk;
  CookieKeeper keeper = hub.keeper();
  keeper.begin(100);
  EXPECT_EQ(hub.disk, text);
  EXPECT_NE(keeper.problem(), "");
  EXPECT_TRUE(opens(keeper));
  keeper.keep(start + 3 * hour);
  EXPECT_EQ(keeper.problem(), "");
  EXPECT_TRUE(keeper.copy().keys.same_chain(before.copy().keys));
  EXPECT_TRUE(hub.alarms.empty());
  // And one that has no file makes no key of 1970.
  Hub fresh;
  CookieKeeper first = fresh.keeper();
  first.begin(100);
  EXPECT_GE(first.copy().keys.generation(),
            CookieKeys::generation_at(CookieKeys::first_credible_second));
}

TEST(CookieKeeper, AnotherKeyInTheFileIsTakenUpByTheOperatorsWordAlone) {
  Hub hub;
  Hub sibling;
  CookieKeeper keeper = hub.keeper();
  CookieKeeper other = sibling.keeper();
  keeper.begin(start);
  other.begin(start);
  hub.disk = sibling.disk;
  keeper.keep(start + hour);
  EXPECT_EQ(hub.disk, sibling.disk) << "what the operator put there is not overwritten";
  EXPECT_EQ(hub.alarms.size(), 1U);
  EXPECT_FALSE(keeper.copy().keys.same_chain(other.copy().keys));
  const auto version = keeper.version();
  keeper.reload(start + hour);
  EXPECT_TRUE(keeper.copy().keys.same_chain(other.copy().keys));
  EXPECT_NE(keeper.version(), version);
  EXPECT_EQ(keeper.problem(), "");
  EXPECT_EQ(keeper.copy().keys.generation(), CookieKeys::generation_at(start) + 1);
  // Its own of an earlier hour is no other key.
  const auto events = hub.events.size();
  const std::string early = hub.disk;
  keeper.turn(start + 3 * hour);
  hub.disk = early;
  keeper.reload(start + 3 * hour);
  EXPECT_EQ(hub.events.size(), events);
  EXPECT_EQ(CookieKeys::parse(hub.disk, 0)->generation(), CookieKeys::generation_at(start) + 3);
}

TEST(CookieKeeper, AFileThatIsNoKeyStopsAStartAndNoNode) {
  Hub hub;
  CookieKeeper keeper = hub.keeper();
  keeper.begin(start);
  const std::string good = hub.disk;
  for (std::size_t size = 1; size < good.size(); size += 3) {
    hub.disk = good.substr(0, size);
    CookieKeeper next = hub.keeper();
    try {
      next.begin(start);
      ADD_FAILURE() << size;
    } catch (const Failure& problem) {
      EXPECT_TRUE(std::string(problem.what()).starts_with("trickle.key: ")) << problem.what();
    }
    const auto alarms = hub.alarms.size();
    keeper.reload(start);
    EXPECT_EQ(hub.alarms.size(), alarms + 1) << size;
    EXPECT_TRUE(opens(keeper));
  }
  hub.unreadable = true;
  keeper.reload(start);
  EXPECT_TRUE(opens(keeper));
}

TEST(CookieKeeper, ThreadsAndSessionsAgreeWhileKeysChange) {
  Hub hub;
  CookieKeeper keeper = hub.keeper();
  keeper.begin(start);
  std::atomic<bool> stop{false};
  std::thread sessions([&] {
    while (!stop) EXPECT_TRUE(opens(keeper));
  });
  // Not two hours for one session: the thread may have been away between sealing and opening.
  for (std::uint64_t i = 1; i <= 40; ++i) {
    keeper.keep(start + (i % 2) * hour);
    keeper.renew();
  }
  stop = true;
  sessions.join();
}

}  // namespace
}  // namespace qanat::outlets
