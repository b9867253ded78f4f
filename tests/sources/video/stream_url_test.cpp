#include "sources/video/stream_url.h"

#include <gtest/gtest.h>

#include "sources/registry.h"
#include "sources/video/stream.h"

namespace qanat::sources::video {
namespace {

TEST(StreamUrl, ShowsNoSecretWhereverCamerasTakeThem) {
  const std::vector<std::pair<const char*, const char*>> all{
      {"/dev/video0", "/dev/video0"},
      {"rtsp://cam/stream", "rtsp://cam/stream"},
      {"rtsp://user:pass@cam/stream", "rtsp://..@cam/stream"},
      {"rtsp://user:p@ss/w?rd@cam/stream", "rtsp://..@cam/stream"},
      {"http://cam/v.cgi?channel=1&user=u&pwd=p", "http://cam/v.cgi?channel=1&user=..&pwd=.."},
      {"rtsp://cam/user=u&password=p&channel=1", "rtsp://cam/user=..&password=..&channel=1"},
      {"rtsp://cam/user=u_password=p_channel=1.sdp", "rtsp://cam/user=.."},
      {"http://cam/?channel=1_password=p&h=0.5", "http://cam/?channel=..&h=0.5"},
      {"http://cam/?pwd=", "http://cam/?pwd="},
      {"http://cam/?token", "http://cam/?token"},
      {"http://@cam/", "http://@cam/"},
      {"://@=", "://@="},
  };
  for (const auto& [url, shown] : all) EXPECT_EQ(without_secrets(url), shown);
}

TEST(StreamUrl, ItsOwnQueryStaysItsOwn) {
  const std::vector<std::array<const char*, 3>> all{
      {"video:http://cam/v", "http://cam/v", ""},
      {"video:http://cam/v?h=1", "http://cam/v", "1"},
      {"video:http://cam/v?channel=1&user=u", "http://cam/v?channel=1&user=u", ""},
      {"video:http://cam/v?channel=1&h=1&res=2", "http://cam/v?channel=1&res=2", "1"},
      {"video:http://cam/v?channel=1?h=1", "http://cam/v?channel=1", "1"},
      {"video:http://cam/v?channel=1?h=1&res=2", "http://cam/v?channel=1&res=2", "1"},
      {"video:http://cam/v?h=480?", "http://cam/v?h=480", ""},
      {"video:http://cam/v?h=480?h=1", "http://cam/v?h=480", "1"},
      {"video:http://cam/v?a=%41%26", "http://cam/v?a=%41%26", ""},
      {"video:http://cam/v?a&b", "http://cam/v?a&b", ""},
  };
  for (const auto& [text, target, h] : all) {
    const auto spec = with_own_query(spec::parse_spec(text).value());
    EXPECT_EQ(spec.target, target) << text;
    EXPECT_EQ(spec.option("h").value_or(""), h) << text;
    EXPECT_EQ(spec.options.size(), *h == '\0' ? 0U : 1U) << text;
  }
  // A path's options are the source's: an unknown one is refused.
  EXPECT_EQ(with_own_query(spec::parse_spec("video:/dev/video1?x=1").value()).options.size(), 1U);
}

TEST(StreamUrl, OnlyCamerasAreSpokenTo) {
  const auto url = parse_stream_url("rtsp://u:p@[2001:db8::1]:8554/stream?x=1");
  ASSERT_TRUE(url.has_value());
  EXPECT_EQ(url->address.text(), "[2001:db8::1]:8554");
  EXPECT_EQ(parse_stream_url("https://cam")->address.port, 443);
  EXPECT_TRUE(parse_stream_url("https://cam")->safe());
  EXPECT_FALSE(parse_stream_url("http://cam")->safe());
  EXPECT_TRUE(parse_stream_url("http://127.0.0.1:80")->safe());
  for (const char* scheme : {"http", "https", "rtsp", "rtsps", "tcp", "udp"}) {
    const std::string may = parse_stream_url(std::string(scheme) + "://u:p@cam:1/")->protocols();
    for (const char* never : {"file", "concat", "subfile", "hls", "crypto", "data", "pipe"}) {
      EXPECT_EQ(may.find(never), std::string::npos) << scheme;
    }
  }
  for (const char* wrong :
       {"file:///etc/passwd", "concat://a|b", "HTTP://cam", "hls+http://cam", "http://",
        "tcp://cam", "http://u:secret@", "http://u:secret/@cam/", "rtsp://cam:99999/"}) {
    const auto refused = parse_stream_url(wrong);
    ASSERT_FALSE(refused.has_value()) << wrong;
    EXPECT_EQ(refused.error().message.find("secret"), std::string::npos) << refused.error().message;
  }
}

TEST(StreamUrl, NamesAndMistakesShowNoSecret) {
  if (const auto there = ffmpeg(); !there) GTEST_SKIP() << there.error().message;
  EXPECT_EQ(describe_source("video:rtsp://u:secret@cam/s?h=2").name, "video:rtsp://..@cam/s?h=2");
  EXPECT_FALSE(describe_source("video:rtsp://u:secret@cam/s").credit);
  EXPECT_TRUE(describe_source("video:http://127.0.0.1:8080/s.mjpg").credit);
  EXPECT_TRUE(describe_source("video:/tmp/clip.y4m").credit);
  for (const char* wrong :
       {"video:rtsp://u:secret@cam/s?h=9", "video:gopher://u:secret@cam/s",
        "video:rtsp://u:secret@cam/s?ca=/x", "video:rtsp://u:secret@/s?credit=no"}) {
    try {
      describe_source(wrong);
      ADD_FAILURE() << wrong;
    } catch (const Failure& failure) {
      EXPECT_EQ(std::string(failure.what()).find("secret"), std::string::npos) << failure.what();
    }
  }
}

TEST(StreamUrl, WhatAServerSaysIsCleaned) {
  const auto url = parse_stream_url("http://user:pa%20ss@cam/v?token=tok").value();
  EXPECT_EQ(cleaned_message(url, "HTTP error 401 Unauthorized\n"), "HTTP error 401 Unauthorized");
  EXPECT_EQ(cleaned_message(url, "Connection to tcp://cam:80 failed"), "Connection to .. failed");
  EXPECT_EQ(cleaned_message(url, "error 401 \x1b[31mred"), "error 401 ?[31mred");
  EXPECT_EQ(cleaned_message(url, "error 401 pa ss"), "");
  EXPECT_EQ(cleaned_message(url, "error 401 pa%20ss"), "");
  EXPECT_EQ(cleaned_message(url, "404 for ?token=tok"), "");
}

}  // namespace
}  // namespace qanat::sources::video
