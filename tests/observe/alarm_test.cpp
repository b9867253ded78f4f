#include "observe/alarm.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace qanat::observe {
namespace {

using namespace std::chrono_literals;
using Answer = AlarmFilter::Answer;

Event event_of(EventKind kind, const std::string& subject) {
  return {.id = "1-1", .number = 1, .time = 5, .subject = subject, .text = "text", .kind = kind};
}

class AlarmFilterTest : public testing::Test {
 protected:
  Answer offer(EventKind kind, const std::string& subject) {
    last_ = filter_.admit(event_of(kind, subject), now_);
    return last_.answer;
  }

  AlarmFilter filter_{usual_alarms(), 5min};
  TimePoint now_ = TimePoint(1h);
  AlarmFilter::Admitted last_;
};

TEST_F(AlarmFilterTest, TellsOfItsKindsAlone) {
  EXPECT_EQ(offer(EventKind::note, "a"), Answer::not_wanted);
  EXPECT_EQ(offer(EventKind::warning, "a"), Answer::not_wanted);
  EXPECT_EQ(offer(EventKind::source_failed, "a"), Answer::send);
}

TEST_F(AlarmFilterTest, TheSameIsToldOnceInAWhileWithHowOftenItCame) {
  EXPECT_EQ(offer(EventKind::source_failed, "a"), Answer::send);
  EXPECT_EQ(offer(EventKind::source_failed, "a"), Answer::repeated);
  EXPECT_EQ(offer(EventKind::source_failed, "a"), Answer::repeated);
  EXPECT_EQ(offer(EventKind::source_failed, "b"), Answer::send) << "another source";
  now_ += 5min;
  EXPECT_EQ(offer(EventKind::source_failed, "a"), Answer::send);
  EXPECT_EQ(last_.repeated, 2U);
}

TEST_F(AlarmFilterTest, AFaultAfterARecoveryIsNews) {
  EXPECT_EQ(offer(EventKind::source_gone, "a"), Answer::send);
  now_ += 20s;
  EXPECT_EQ(offer(EventKind::source_back, "a"), Answer::send);
  now_ += 20s;
  EXPECT_EQ(offer(EventKind::source_gone, "a"), Answer::send);
}

TEST_F(AlarmFilterTest, WhatIsToldLastIsTrue) {
  EXPECT_EQ(offer(EventKind::source_gone, "a"), Answer::send);
  now_ += 1s;
  EXPECT_EQ(offer(EventKind::source_back, "a"), Answer::held);
  EXPECT_FALSE(filter_.due(now_));
  EXPECT_EQ(filter_.next_due(), now_ + 9s);
  now_ += 9s;
  const auto back = filter_.due(now_);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->kind, EventKind::source_back);
  EXPECT_FALSE(filter_.due(now_));
  now_ += 1s;
  EXPECT_EQ(offer(EventKind::source_gone, "a"), Answer::held);
  now_ += 1s;
  EXPECT_EQ(offer(EventKind::source_back, "a"), Answer::repeated) << "as was told";
  now_ += 1h;
  EXPECT_FALSE(filter_.due(now_));
}

TEST_F(AlarmFilterTest, WhereTooManyWereToldAStateWaitsForItsTurn) {
  EXPECT_EQ(offer(EventKind::source_gone, "a"), Answer::send);
  for (int i = 0; i < 100; ++i) offer(EventKind::source_failed, std::to_string(i));
  now_ += 1min;
  EXPECT_EQ(offer(EventKind::source_back, "a"), Answer::held);
  EXPECT_EQ(filter_.next_due(), TimePoint(1h) + 5min);
  now_ = TimePoint(1h) + 5min;
  EXPECT_TRUE(filter_.due(now_));
}

TEST_F(AlarmFilterTest, WhatReachedNobodyIsNewsAgain) {
  EXPECT_EQ(offer(EventKind::source_gone, "a"), Answer::send);
  filter_.not_told(event_of(EventKind::source_gone, "a"));
  EXPECT_EQ(offer(EventKind::source_gone, "a"), Answer::send);
}

TEST_F(AlarmFilterTest, AnEndThatNobodyAskedForMakesItsFaultNews) {
  AlarmFilter faults({EventKind::reserve_empty}, 24h);
  EXPECT_EQ(faults.admit(event_of(EventKind::reserve_empty, "r"), now_).answer, Answer::send);
  now_ += 1min;
  EXPECT_EQ(faults.admit(event_of(EventKind::reserve_back, "r"), now_).answer, Answer::not_wanted);
  now_ += 1min;
  EXPECT_EQ(faults.admit(event_of(EventKind::reserve_empty, "r"), now_).answer, Answer::send);
}

TEST_F(AlarmFilterTest, AThousandFaultsAreNoThousandMessages) {
  std::size_t sent = 0;
  for (int i = 0; i < 1000; ++i) {
    sent += offer(EventKind::source_failed, std::to_string(i)) == Answer::send ? 1 : 0;
  }
  EXPECT_EQ(sent, AlarmFilter::most_at_once);
  EXPECT_EQ(last_.answer, Answer::dropped);
  now_ += 5min;
  EXPECT_EQ(offer(EventKind::source_failed, "x"), Answer::send);
}

TEST(Alarm, TheNameOfAWebhookHoldsNoSecret) {
  AlarmRule rule;
  rule.webhook = "https://hooks.example.org:8443/T00/B00/secret?token=x";
  EXPECT_EQ(rule.name(), "https://hooks.example.org:8443");
  rule.webhook = "https://hooks.example.org?token=x";
  EXPECT_EQ(rule.name(), "https://hooks.example.org");
  rule.webhook.clear();
  rule.command = "logger -t qanat";
  EXPECT_EQ(rule.name(), "logger -t qanat");
}

TEST(Alarm, TheBodyIsJsonWhateverTheNames) {
  const Event event = event_of(EventKind::loop_found, "a\"\n<b>\xe2\x80\xae");
  const auto body = boost::json::parse(alarm_json(event, "id", 3));
  EXPECT_EQ(body.at("subject").as_string(), event.subject);
  EXPECT_EQ(body.at("kind").as_string(), "loop-found");
  EXPECT_EQ(body.at("repeated").to_number<int>(), 3);
  EXPECT_EQ(body.at("node").as_string(), "id");
}

}  // namespace
}  // namespace qanat::observe
