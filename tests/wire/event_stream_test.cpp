#include "wire/event_stream.h"

#include <gtest/gtest.h>

#include <vector>

namespace qanat::wire {
namespace {

class EventStreamTest : public testing::Test {
 protected:
  bool feed(std::string_view text) { return reader_.feed(as_bytes(text)); }

  std::vector<StreamedEvent> events_;
  EventStreamReader reader_{[this](const StreamedEvent& event) { events_.push_back(event); }};
};

TEST_F(EventStreamTest, ReadsEventsInAnyCut) {
  const std::string text =
      ": hello\nretry: 1000\n\nid: 1-7\nevent: status\ndata: {\"a\":1}\n\ndata:x\ndata: y\n\n";
  for (std::size_t piece = 1; piece < text.size(); ++piece) {
    events_.clear();
    reader_.begin_anew();
    for (std::size_t at = 0; at < text.size(); at += piece) {
      EXPECT_TRUE(feed(std::string_view(text).substr(at, piece)));
    }
    ASSERT_EQ(events_.size(), 2U) << piece;
    EXPECT_EQ(events_[0].type, "status");
    EXPECT_EQ(events_[0].data, "{\"a\":1}");
    EXPECT_EQ(events_[0].id, "1-7");
    EXPECT_EQ(events_[1].type, "message");
    EXPECT_EQ(events_[1].data, "x\ny");
    EXPECT_EQ(events_[1].id, "1-7") << "it stays";
  }
}

TEST_F(EventStreamTest, TakesEveryLineEnd) {
  EXPECT_TRUE(feed("data: a\r\n\r\ndata: b\r\rdata: c\n\n"));
  ASSERT_EQ(events_.size(), 3U);
  EXPECT_EQ(events_[2].data, "c");
}

TEST_F(EventStreamTest, WithoutDataThereIsNoEvent) {
  EXPECT_TRUE(feed("id: 5\nevent: x\n\n\n\n"));
  EXPECT_TRUE(events_.empty());
}

TEST_F(EventStreamTest, WhatIsTooLongEndsIt) {
  EXPECT_FALSE(feed("data: " + std::string(EventStreamReader::most_bytes, 'x')));
  EXPECT_FALSE(feed("\n\n"));
  reader_.begin_anew();
  bool more = true;
  for (int i = 0; i < 20 && more; ++i) more = feed("data: " + std::string(100000, 'x') + "\n");
  EXPECT_FALSE(more);
  EXPECT_TRUE(events_.empty());
}

}  // namespace
}  // namespace qanat::wire
