#include "cli/top/samples.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>

#include "cli/top/sparkline.h"

namespace qanat::cli::top {
namespace {

namespace json = boost::json;
using Values = std::vector<std::optional<double>>;

json::value document(double reserve, double delivered_bytes, double drawn = 0) {
  return json::object{
      {"reserve", json::object{{"bytes", reserve}}},
      {"ledger", json::object{{"delivered", delivered_bytes * 8}}},
      {"clients", json::array{json::object{{"name", "leaf"}, {"full_bytes", drawn}}}}};
}

TEST(Samples, MeansOfWhatWasSeenOldestFirst) {
  Samples samples;
  for (int t = 0; t < 20; ++t) samples.add(document(t, 0), 1000 + t);
  // Columns of 5 s: 1000..1004, ... 1015..1019.
  EXPECT_EQ(samples.means("reserve", "", 4, 20, 1019), (Values{2.0, 7.0, 12.0, 17.0}));
  EXPECT_EQ(samples.means("reserve", "", 6, 30, 1019),
            (Values{std::nullopt, std::nullopt, 2.0, 7.0, 12.0, 17.0}));
  EXPECT_EQ(samples.means("reserve", "nobody", 2, 10, 1019), (Values(2)));
}

TEST(Samples, APictureMovesByWholeColumns) {
  Samples samples;
  for (int t = 0; t < 20; ++t) samples.add(document(t, 0), 1000 + t);
  EXPECT_EQ(samples.means("reserve", "", 2, 10, 1015), samples.means("reserve", "", 2, 10, 1019));
}

TEST(Samples, SeldomDocumentsHoldUntilTheNext) {
  Samples samples;
  samples.add(document(5, 0), 1000);
  samples.add(document(7, 0), 1010);
  EXPECT_EQ(samples.means("reserve", "", 5, 10, 1010), (Values{5.0, 5.0, 5.0, 5.0, 7.0}));
  // One that is away for long leaves a gap.
  samples.add(document(9, 0), 1020);
  samples.add(document(9, 0), 1021);
  samples.add(document(9, 0), 1200);
  samples.add(document(9, 0), 1201);
  const auto means = samples.means("reserve", "", 20, 200, 1201);
  EXPECT_FALSE(means[10]);
}

TEST(Samples, WhatANodeDoesNotSayIsCounted) {
  Samples samples;
  samples.add(document(0, 1000, 0), 100);
  EXPECT_FALSE(samples.newest("delivered", ""));
  EXPECT_FALSE(samples.client_rate("leaf"));
  samples.add(document(0, 1500, 4000), 102);
  EXPECT_DOUBLE_EQ(samples.newest("delivered", "").value(), 250);
  EXPECT_DOUBLE_EQ(samples.client_rate("leaf").value(), 2000);
  EXPECT_FALSE(samples.client_rate("nobody"));
  // Over the last five seconds, no longer.
  for (int t = 103; t < 120; ++t) samples.add(document(0, 1500, 4000), t);
  EXPECT_DOUBLE_EQ(samples.newest("delivered", "").value(), 0);
  EXPECT_DOUBLE_EQ(samples.client_rate("leaf").value(), 0);
}

TEST(Samples, ANodeThatBeganAnewDrawsNoNegativeRate) {
  Samples samples;
  samples.add(document(0, 5000, 5000), 100);
  samples.add(document(0, 10, 10), 101);
  EXPECT_FALSE(samples.newest("delivered", ""));
  samples.add(document(0, 20, 30), 102);
  EXPECT_DOUBLE_EQ(samples.newest("delivered", "").value(), 10);
  EXPECT_DOUBLE_EQ(samples.client_rate("leaf").value(), 20);
}

TEST(Samples, TheNodesOwnRatesComeFirst) {
  json::value said = document(0, 1000);
  said.as_object()["rates"] = json::object{{"delivered", 77.0}};
  Samples samples;
  samples.add(said, 100);
  EXPECT_DOUBLE_EQ(samples.newest("delivered", "").value(), 77);
}

TEST(Samples, ANodesHistoryIsThereAtOnce) {
  Samples samples;
  samples.load(json::parse(R"({"end":1,"step":1,"count":4,"series":[
    {"kind":"reserve","of":"","unit":"bytes","values":[null,1,2,3]},
    {"kind":"source_rate","of":"jitter","unit":"bytes/s","values":[]}]})"),
               1003);
  samples.add(document(4, 0), 1004);
  EXPECT_EQ(samples.means("reserve", "", 5, 5, 1004), (Values{std::nullopt, 1.0, 2.0, 3.0, 4.0}));
  EXPECT_FALSE(samples.newest("source_rate", "jitter"));
}

TEST(Samples, NonsenseIsNoHistory) {
  for (const char* const text :
       {"null", "{}", R"({"step":0,"series":[{}]})", R"({"step":-1,"series":[{}]})",
        R"({"step":1,"series":[7,{"kind":3,"values":["x",null]}]})"}) {
    Samples samples;
    samples.load(json::parse(text), 1000);
    samples.add(document(4, 0), 1001);
    EXPECT_EQ(samples.means("reserve", "", 1, 1, 1001), (Values{4.0})) << text;
  }
}

TEST(Samples, ForgetsWhatIsOlderThanItKeeps) {
  Samples samples;
  samples.add(document(4, 0), 1000);
  samples.add(document(5, 0), 1001 + Samples::kept);
  samples.add(document(5, 0), 1002 + Samples::kept);
  const auto means = samples.means("reserve", "", 2, 2 * Samples::kept, 1002 + Samples::kept);
  EXPECT_FALSE(means[0]);
}

TEST(Sparkline, LevelsFromNothingToAll) {
  EXPECT_EQ(sparkline({0.0, 1.0, 50.0, 100.0, 200.0, std::nullopt}, 100, true), "▁▂▅██ ");
  EXPECT_EQ(sparkline({0.0, 1.0, 50.0, 100.0, 200.0, std::nullopt}, 100, false), " .=## ");
  EXPECT_EQ(sparkline({0.0, 0.0}, 0, true), "▁▁");
  EXPECT_EQ(sparkline({2.0, 4.0}, true), "▅█");
}

}  // namespace
}  // namespace qanat::cli::top
