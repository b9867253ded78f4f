#include "sources/video/stream.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "sources/source_test.h"
#include "sources/video/synthetic_camera.h"

namespace qanat::sources::video {
namespace {

using test::SyntheticCamera;
using testing::HasSubstr;

class VideoStream : public SourceTest {
 protected:
  void SetUp() override {
    if (const auto there = ffmpeg(); !there) GTEST_SKIP() << there.error().message;
  }

  static std::string header(int width, int height) {
    return "YUV4MPEG2 W" + std::to_string(width) + " H" + std::to_string(height) +
           " F30:1 Ip A1:1 Cmono\n";
  }
  // The format is simple: a line, then each picture behind a line of its own.
  static std::string clip(SyntheticCamera& camera, int pictures, bool with_header = true) {
    std::string text = with_header ? header(160, 120) : "";
    for (int i = 0; i < pictures; ++i) {
      camera.next();
      const auto pixels = camera.pixels();
      text += "FRAME\n" + std::string(pixels.begin(), pixels.end());
    }
    return text;
  }
  std::string write(const char* name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }
  std::string why_not(const std::string& file) const {
    const auto stream = make_file_stream(file);
    if (auto opened = stream->open(waker_); !opened) return opened.error().message;
    const auto picture = stream->next(waker_);
    return picture ? "" : picture.error().message;
  }

  Waker waker_;
};

TEST_F(VideoStream, AFilesPicturesComeWholeAndThenItHasEnded) {
  SyntheticCamera camera(160, 120, 4, 1);
  const auto stream = make_file_stream(write("clip.y4m", clip(camera, 3)));
  for (int opening = 0; opening < 2; ++opening) {
    SyntheticCamera again(160, 120, 4, 1);
    ASSERT_TRUE(stream->open(waker_).has_value());
    EXPECT_TRUE(stream->origin().has_value());
    for (int i = 0; i < 3; ++i) {
      const auto picture = stream->next(waker_);
      ASSERT_TRUE(picture.has_value() && picture->has_value());
      const Picture expected = again.next();
      ASSERT_EQ((*picture)->width, 160U);
      for (std::size_t y = 0; y < 120; ++y) {
        for (std::size_t x = 0; x < 160; ++x) {
          ASSERT_EQ((*picture)->at(x, y), expected.at(x, y)) << x << ' ' << y;
        }
      }
    }
    EXPECT_THAT(stream->next(waker_).error().message, HasSubstr("has ended"));
    stream->close();
  }
}

TEST_F(VideoStream, WhatIsNoCamerasIsRefused) {
  SyntheticCamera camera(160, 120, 4, 2);
  const std::string good = write("good.y4m", clip(camera, 3));
  EXPECT_EQ(why_not(good), "");
  EXPECT_THAT(why_not(path("absent")), HasSubstr("No such file"));
  EXPECT_THAT(why_not(directory_), HasSubstr("neither a camera"));
  EXPECT_THAT(why_not("concat:" + good), HasSubstr("No such file"));
  EXPECT_THAT(why_not(write("noise", std::string(100'000, 'x'))), HasSubstr("cannot be opened"));
  EXPECT_THAT(why_not(write("empty", "")), HasSubstr("cannot be opened"));
  EXPECT_THAT(why_not(write("wide", header(30000, 48) + "FRAME\n" + std::string(30000 * 48, 'x'))),
              HasSubstr("30000x48"));
  EXPECT_THAT(why_not(write("tiny", header(8, 8) + "FRAME\n" + std::string(64, 'x'))),
              HasSubstr("8x8"));
  EXPECT_THAT(why_not(write("cut", clip(camera, 1).substr(0, 10'000))), testing::Ne(""));
  // Lists of other files: a server could name any of ours.
  for (const std::string& list :
       {"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://" + good + "\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '" + good + "'\n",
        std::string("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nt=0 0\nm=video 5004 RTP/AVP 26\n")}) {
    EXPECT_THAT(why_not(write("list", list)), HasSubstr("cannot be opened")) << list;
  }
}

TEST_F(VideoStream, AFifoIsReadAsItIsWrittenAndAWakeLosesNothing) {
  const std::string fifo = path("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const UniqueFd both(::open(fifo.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(both);
  SyntheticCamera camera(160, 120, 4, 3);
  std::thread writer([&] {
    const std::string text = clip(camera, 2);
    EXPECT_TRUE(write_all(both.get(), fifo, as_bytes(text)).has_value());
  });
  const auto stream = make_file_stream(fifo);
  ASSERT_TRUE(stream->open(waker_).has_value());
  EXPECT_TRUE(stream->kept_open());
  const auto pictures = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const auto picture = stream->next(waker_);
      if (!picture || !*picture) return false;
    }
    return true;
  };
  EXPECT_TRUE(pictures(2));
  writer.join();
  waker_.wake();
  const auto woken = stream->next(waker_);
  EXPECT_TRUE(woken.has_value() && !woken->has_value());
  waker_.clear();
  // While it waits.
  std::thread waking([&] { waker_.wake(); });
  const auto woken_too = stream->next(waker_);
  waking.join();
  EXPECT_TRUE(woken_too.has_value() && !woken_too->has_value());
  waker_.clear();
  std::thread more([&] {
    const std::string text = clip(camera, 2, false);
    EXPECT_TRUE(write_all(both.get(), fifo, as_bytes(text)).has_value());
  });
  EXPECT_TRUE(pictures(2)) << "nothing was lost";
  more.join();
}

TEST_F(VideoStream, ANodeCreditsAFileOnceAndKnowsItAgain) {
  SyntheticCamera camera(160, 120, 4, 4);
  const std::string name = "video:" + write("clip.y4m", clip(camera, 100));
  auto source = start(name);
  EXPECT_TRUE(reaches(*source, "gone"));
  const auto credited = dispenser_.report().total.credited;
  EXPECT_GT(credited, 0U);
  EXPECT_EQ(source->report().readings.at("width_pixels"), 160);
  // It is looked for again, is there, and is a recording.
  EXPECT_TRUE(reaches(*source, "failed"));
  EXPECT_THAT(source->report().detail, HasSubstr("a recording, not a camera"));
  EXPECT_EQ(dispenser_.report().total.credited, credited);
}

}  // namespace
}  // namespace qanat::sources::video
