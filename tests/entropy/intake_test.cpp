#include "entropy/intake.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "support/noise.h"

namespace qanat::entropy {
namespace {

using namespace std::chrono_literals;

class CollectingSink final : public Sink {
 public:
  std::size_t wanted() const override { return room; }
  Epoch epoch() const override { return now; }
  bool credit(SourceId, Bytes bytes, Epoch of, TimePoint) override {
    if (of != now) return false;
    credited += bytes.size();
    room -= std::min(room, bytes.size());
    return true;
  }
  void lost(SourceId, TimePoint) override { ++losses; }
  Epoch now = 0;
  std::size_t room = 1 << 30;
  int losses = 0;
  std::size_t credited = 0;
};

class IntakeTest : public testing::Test {
 protected:
  Intake make(double h, bool credit = true) {
    return {0, {h, credit}, key_, sink_, 1, [this](const std::string& text, EventKind kind) {
              (is_alarm(kind) ? alarms_ : notes_).push_back(text);
            }};
  }
  void give(Intake& intake, const test::Samples& samples) {
    intake.samples(samples, sink_.now, now_, now_ + 1ms);
    now_ += 1ms;
  }
  test::Samples good(std::size_t windows) {
    return test::uniform(windows * window_samples, ++seed_);
  }

  ConditioningKey key_{as_bytes("test")};
  CollectingSink sink_;
  TimePoint now_ = TimePoint() + 1h;
  std::uint64_t seed_ = 0;
  std::vector<std::string> alarms_;
  std::vector<std::string> notes_;
};

TEST_F(IntakeTest, CreditsNoMoreThanTheAssessedInputAllows) {
  Intake intake = make(4);
  give(intake, good(2));
  EXPECT_EQ(sink_.credited, 0U) << "start-up";
  give(intake, good(160));
  const double assessed = static_cast<double>(intake.report().credited_samples) * 4;
  EXPECT_LE(static_cast<double>(sink_.credited) * 8 / 512 * 576, assessed);
  EXPECT_GT(static_cast<double>(sink_.credited) * 8 / 512 * 576, assessed - 576);
  // One window in sixteen went into the key.
  EXPECT_EQ(intake.report().credited_samples / window_samples, 160U - 10U);
}

TEST_F(IntakeTest, BytesSinceTheLastPassedWindowAreNotCredited) {
  Intake intake = make(8);
  give(intake, good(2));
  give(intake, good(3));
  const std::size_t before = sink_.credited;
  // A window that is good for 500 samples and stuck for the last 12.
  auto dying = good(1);
  std::fill(dying.end() - 12, dying.end(), std::uint8_t{7});
  give(intake, dying);
  EXPECT_EQ(sink_.credited, before);
  EXPECT_EQ(intake.state(), SourceState::suspect);
  ASSERT_EQ(alarms_.size(), 1U);
  EXPECT_NE(alarms_[0].find("repetition count"), std::string::npos);
}

TEST_F(IntakeTest, AnUncreditedSourceIsMixedInAndCreditsNothing) {
  Intake intake = make(8, false);
  const auto before = key_.generation();
  give(intake, good(20));
  EXPECT_EQ(sink_.credited, 0U);
  EXPECT_GE(key_.generation(), before + 20);
}

TEST_F(IntakeTest, KeepsWhatTheSinkDoesNotWantYet) {
  Intake intake = make(8);
  give(intake, good(2));
  sink_.room = 64;
  give(intake, good(1));
  EXPECT_EQ(sink_.credited, 64U);
  EXPECT_FALSE(intake.drain(now_));
  sink_.room = 1000;
  EXPECT_TRUE(intake.drain(now_));
  EXPECT_EQ(sink_.credited, 64U * 7);
}

TEST_F(IntakeTest, AFailedSourceIsNotReadOn) {
  Intake intake = make(8);
  give(intake, test::constant(4 * window_samples, 0));
  EXPECT_EQ(intake.state(), SourceState::failed);
  EXPECT_EQ(intake.report().failures, 1U);
  EXPECT_EQ(sink_.losses, 1) << "what it used to give is counted on no longer";
  EXPECT_GT(intake.retry_at(), now_ - 1s);
}

TEST_F(IntakeTest, ALostDeviceLosesItsHalfWindow) {
  Intake intake = make(8);
  give(intake, good(2));
  give(intake, test::uniform(300, 5));
  EXPECT_GT(intake.report().rate, 0);
  intake.gone("unplugged", now_);
  EXPECT_EQ(intake.report().rate, 0) << "of what is not there";
  EXPECT_EQ(alarms_.back(), "gone: unplugged");
  intake.back();
  give(intake, test::uniform(212, 6));
  EXPECT_EQ(intake.state(), SourceState::start_up);
  EXPECT_EQ(sink_.credited, 0U);
}

TEST_F(IntakeTest, WhatComesAndGoesWithoutASampleIsToldOfOnce) {
  Intake intake = make(8);
  for (int i = 0; i < 100; ++i) {
    intake.gone("it hung up", now_);
    intake.back();
    EXPECT_EQ(intake.state(), SourceState::start_up);
  }
  EXPECT_EQ(alarms_, std::vector<std::string>{"gone: it hung up"});
  intake.gone("nobody is there", now_);
  EXPECT_EQ(alarms_.size(), 2U) << "another reason";
  EXPECT_EQ(intake.report().detail, "gone: nobody is there");
  intake.back();
  give(intake, good(1));
  intake.gone("it hung up", now_);
  EXPECT_EQ(alarms_.size(), 3U) << "it had given something";
  for (int i = 0; i < 100; ++i) intake.gone(std::to_string(i), now_);
  EXPECT_LT(alarms_.size(), 12U);
  EXPECT_EQ(intake.report().detail, "gone: 99");
}

TEST_F(IntakeTest, ARefutedClaimCreditsNothingAndSaysWhy) {
  Intake intake = make(4);
  // Text: half of it is told by the letter before.
  test::Samples words;
  for (const std::string word : {"the", "quick", "brown", "fox", "jumps", "over", "dogs"}) {
    for (int i = 0; i < 3; ++i) words.insert(words.end(), word.begin(), word.end());
  }
  std::mt19937_64 random(1);
  test::Samples text;
  while (text.size() < 100 * window_samples) {
    const auto at = random() % (words.size() - 8);
    text.insert(text.end(), words.begin() + static_cast<std::ptrdiff_t>(at),
                words.begin() + static_cast<std::ptrdiff_t>(at + 3 + random() % 5));
  }
  give(intake, text);
  EXPECT_EQ(intake.state(), SourceState::refuted);
  EXPECT_EQ(sink_.credited, 0U);
  EXPECT_EQ(sink_.losses, 1);
  ASSERT_FALSE(alarms_.empty());
  EXPECT_NE(alarms_[0].find("bits a byte, 4 claimed"), std::string::npos) << alarms_[0];
  intake.gone("its end", now_);
  EXPECT_EQ(intake.report().detail, alarms_[0]) << "the worse of the two";
  EXPECT_FALSE(intake.report().credit);
}

TEST_F(IntakeTest, WhatIsCountedElsewhereIsCreditedNothing) {
  Intake intake = make(8);
  intake.withhold("it is another's");
  give(intake, good(100));
  EXPECT_EQ(intake.state(), SourceState::healthy);
  EXPECT_EQ(sink_.credited, 0U);
  EXPECT_EQ(intake.report().detail, "credited 0: it is another's");
  intake.withhold("");
  give(intake, good(100));
  EXPECT_GT(sink_.credited, 0U);
  EXPECT_EQ(intake.report().detail, "");
}

TEST_F(IntakeTest, RateIsThatOfReading) {
  Intake intake = make(8);
  for (int i = 0; i < 100; ++i) {
    intake.samples(good(1), 0, now_, now_ + 50ms);
    now_ += 10s;  // asleep
  }
  EXPECT_NEAR(intake.report().rate, 512 / 0.05, 1);
}

TEST_F(IntakeTest, NothingOfBeforeARenewalIsCredited) {
  Intake intake = make(8);
  give(intake, good(2));
  sink_.room = 64;
  give(intake, good(1));  // most of it stays
  const std::size_t before = sink_.credited;
  ++sink_.now;
  sink_.room = 1 << 20;
  EXPECT_TRUE(intake.drain(now_)) << "wiped";
  EXPECT_EQ(sink_.credited, before);
  EXPECT_EQ(intake.report().state, SourceState::start_up);
  // What was asked for before comes after it.
  intake.samples(good(4), sink_.now - 1, now_, now_);
  EXPECT_EQ(intake.report().outdated, 4 * window_samples);
  EXPECT_EQ(intake.report().state, SourceState::start_up);
  give(intake, good(2));
  EXPECT_EQ(sink_.credited, before) << "start-up";
  give(intake, good(1));
  EXPECT_GT(sink_.credited, before);
}

TEST_F(IntakeTest, HalfAWindowOfBeforeARenewalCountsForNone) {
  Intake intake = make(8);
  give(intake, test::uniform(window_samples - 1, 1));
  ++sink_.now;
  give(intake, good(2));
  EXPECT_EQ(intake.report().state, SourceState::healthy);
  EXPECT_EQ(sink_.credited, 0U);
}

TEST_F(IntakeTest, WhatEndsByAnExceptionHasFailedUntilItIsTriedAgain) {
  Intake intake = make(8);
  give(intake, good(3));
  intake.broke("no memory", now_);
  EXPECT_EQ(intake.report().state, SourceState::failed);
  EXPECT_EQ(intake.report().failures, 1U);
  EXPECT_GT(intake.retry_at(), now_);
  EXPECT_EQ(alarms_.back().substr(0, 17), "failed: no memory");
  EXPECT_EQ(sink_.losses, 1);
}

}  // namespace
}  // namespace qanat::entropy
