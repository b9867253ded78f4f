#include "observe/recorder.h"

#include <gtest/gtest.h>

namespace qanat::observe {
namespace {

using namespace std::chrono_literals;

const TimePoint recorder_start = TimePoint(1h);

TEST(Meter, HasTheRateOfTheLastSeconds) {
  Meter meter;
  EXPECT_EQ(meter.rate(), 0);
  for (unsigned i = 0; i < 20; ++i) {
    meter.add(i < 10 ? 0 : 100 * (i - 9), recorder_start + std::chrono::seconds(i));
    if (i == 0) {
      EXPECT_EQ(meter.rate(), 0) << "one look is no rate";
    }
  }
  EXPECT_EQ(meter.rate(), 100);
  EXPECT_EQ(meter.last_rate(), 100);
  meter.add(1000, recorder_start + 20s);
  EXPECT_EQ(meter.last_rate(), 0);
  EXPECT_EQ(meter.rate(), 80);
}

TEST(Meter, ACounterThatBeginsAnewHasNoRate) {
  Meter meter;
  meter.add(1000, recorder_start);
  meter.add(10, recorder_start + 1s);
  EXPECT_EQ(meter.rate(), 0);
}

NodeReport report_at(unsigned second) {
  NodeReport report;
  report.now = recorder_start + std::chrono::seconds(second);
  report.time_ms = 1000 * second;
  report.dispenser.fill = 5;
  report.dispenser.total.credited = 8000ULL * second;
  report.dispenser.sources = {{"jitter", {.credited = 8000ULL * second}}};
  SourceReport jitter;
  jitter.name = "jitter";
  jitter.rate = 12;
  report.sources = {jitter};
  OutletReport outlet;
  outlet.name = "egd";
  outlet.full_bytes = 50ULL * second;
  report.outlets = {outlet};
  return report;
}

TEST(Recorder, PutsRatesWhereTheyBelong) {
  Recorder recorder;
  for (unsigned i = 0; i < 8; ++i) recorder.record(report_at(i), report_at(i).now);
  NodeReport report = report_at(8);
  recorder.add_rates(report);
  EXPECT_EQ(report.rates.credited, 1000);
  EXPECT_EQ(report.sources[0].credited_rate, 1000);
  EXPECT_EQ(report.outlets[0].full_rate, 50);
  EXPECT_EQ(report.outlets[0].drbg_rate, 0);
}

TEST(Recorder, ShowsAViewerTheHistoryOfWhatItMaySee) {
  Recorder recorder;
  for (unsigned i = 0; i < 3; ++i) recorder.record(report_at(i), report_at(i).now);
  const std::string all = recorder.history(0, report_at(3), recorder_start + 3s);
  EXPECT_NE(all.find("\"of\":\"egd\""), std::string::npos);
  NodeReport seen = seen_by(report_at(3), {});
  seen.now = recorder_start + 3s;
  const std::string some = recorder.history(0, seen, recorder_start + 3s);
  EXPECT_EQ(some.find("egd"), std::string::npos);
  EXPECT_EQ(some.find("\"waiting\""), std::string::npos);
  EXPECT_NE(some.find("\"of\":\"jitter\""), std::string::npos);
  seen.sources.clear();
  EXPECT_EQ(recorder.history(0, seen, recorder_start + 3s).find("jitter"), std::string::npos);
}

TEST(Recorder, KnowsItsSpans) {
  EXPECT_EQ(Recorder::tier_of("10m"), 0U);
  EXPECT_EQ(Recorder::tier_of("24h"), 2U);
  EXPECT_FALSE(Recorder::tier_of("1y"));
}

}  // namespace
}  // namespace qanat::observe
