#include "observe/history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

namespace qanat::observe {
namespace {

using namespace std::chrono_literals;

const History::Name reserve{Line::reserve, ""};
const TimePoint history_start = TimePoint(1h);

const auto all = [](const History::Name&) { return true; };

TEST(History, KeepsTheLastTenMinutesByTheSecond) {
  History history;
  for (int i = 0; i < 700; ++i)
    history.add({{reserve, i}}, history_start + std::chrono::seconds(i));
  const auto values = history.values(0, reserve);
  ASSERT_EQ(values.size(), 600U);
  EXPECT_EQ(values.front(), 100);
  EXPECT_EQ(values.back(), 699);
}

TEST(History, CoarserTiersHaveMeansAndTheWorstState) {
  History history;
  const History::Name state{Line::source_state, "jitter"};
  for (int i = 0; i < 120; ++i) {
    history.add({{reserve, i}, {state, i == 65 ? 3 : 1}}, history_start + std::chrono::seconds(i));
  }
  const auto tens = history.values(1, reserve);
  EXPECT_EQ(tens.back(), 114.5F) << "110 to 119";
  EXPECT_EQ(tens[tens.size() - 2], 104.5F);
  const auto minutes = history.values(2, state);
  EXPECT_EQ(minutes.back(), 3);
  EXPECT_EQ(minutes[minutes.size() - 2], 1);
}

TEST(History, SecondsWithoutASampleAreUnknown) {
  History history;
  history.add({{reserve, 1}}, history_start);
  history.add({{reserve, 2}}, history_start + 3s);
  const auto values = history.values(0, reserve);
  EXPECT_EQ(values[596], 1);
  EXPECT_TRUE(std::isnan(values[597]) && std::isnan(values[598]));
  EXPECT_EQ(values[599], 2);
}

TEST(History, AGapLongerThanTheRingLeavesNothingOld) {
  History history;
  for (int i = 0; i < 600; ++i)
    history.add({{reserve, 1}}, history_start + std::chrono::seconds(i));
  history.add({{reserve, 2}}, history_start + 5000s);
  const auto values = history.values(0, reserve);
  EXPECT_EQ(std::count_if(values.begin(), values.end(), [](float v) { return v == 1; }), 0);
  EXPECT_EQ(values.back(), 2);
}

TEST(History, ASecondLookInASecondChangesNothing) {
  History history;
  history.add({{reserve, 1}}, history_start);
  history.add({{reserve, 9}}, history_start + 400ms);
  EXPECT_EQ(history.values(0, reserve).back(), 1);
}

// The clock on the wall is set back by an hour: the end moves, the order and the distances stay.
TEST(History, KeepsItsOrderWhenTheClockJumps) {
  History history;
  for (int i = 0; i < 10; ++i) history.add({{reserve, i}}, history_start + std::chrono::seconds(i));
  const auto before = history_document(history.copy(0, history_start + 9s, 1'000'000'000, all));
  const auto after =
      history_document(history.copy(0, history_start + 9s, 1'000'000'000 - 3'600'000, all));
  EXPECT_EQ(before.at("end").as_int64() - after.at("end").as_int64(), 3'600'000);
  EXPECT_EQ(before.at("series"), after.at("series"));
}

TEST(History, HasAFixedCost) {
  History history;
  for (int i = 0; i < 3000; ++i) {
    history.add({{{Line::outlet_full, std::to_string(i)}, 1}},
                history_start + std::chrono::seconds(i));
  }
  EXPECT_EQ(history.lines(), History::most_lines);
  EXPECT_EQ(history.left_out(), 3000 - History::most_lines);
  std::size_t samples = 0;
  for (const auto& tier : History::tiers) samples += tier.count;
  EXPECT_LT(History::most_lines * samples * sizeof(float), 16U << 20U);
}

TEST(History, ALineThatIsADayOldGoes) {
  History history;
  history.add({{reserve, 1}, {{Line::outlet_full, "old"}, 1}}, history_start);
  history.add({{reserve, 1}}, history_start + 25h);
  EXPECT_EQ(history.lines(), 1U);
}

TEST(History, TheDocumentHasWhatTheViewerMaySee) {
  History history;
  history.add({{reserve, 12345.678}, {{Line::outlet_full, "secret"}, 1}}, history_start);
  history.add({{reserve, 0.5}}, history_start + 1s);
  const auto document =
      history_document(history.copy(0, history_start + 1500ms, 60'000,
                                    [](const auto& name) { return !is_of_outlet(name.first); }));
  EXPECT_EQ(boost::json::serialize(document.at("series")),
            R"([{"kind":"reserve","of":"","unit":"bytes","values":[12350,5E-1]}])");
  EXPECT_EQ(document.at("end").as_int64(), 59'500);
}

}  // namespace
}  // namespace qanat::observe
