// Through ALSA, with its file plug-in for a sound card: it records what is in a file and has no
// clock. When that ends it says that it has recorded, for ever, and writes nothing: whoever does
// not wipe what he reads into has the last of it again and again.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "sources/source_test.h"
#include "support/sound.h"

namespace qanat::sources {
namespace {

using test::eventually;
using test::record;
using test::Signal;
using test::Sound;
using test::white;

class AudioTest : public SourceTest {
 protected:
  void SetUp() override {
    for (const TypeDescription& type : describe_types()) {
      if (type.name == "audio" &&
          type.availability.why.find("built without") != std::string::npos) {
        GTEST_SKIP() << type.availability.why;
      }
    }
    const std::string config = path("asound.conf");
    std::ofstream(config) << "pcm.recorded { type file slave.pcm { type null } file \"/dev/null\" "
                             "infile \""
                          << path("sound") << "\" format \"raw\" }\npcm.muted { type null }\n";
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs yet
    ::setenv("ALSA_CONFIG_PATH", config.c_str(), 1);
  }

  // As samples of so many bytes, little-endian.
  void write_sound(const Sound& sound, unsigned place = 2) {
    std::ofstream out(path("sound"), std::ios::binary);
    for (const std::int32_t sample : sound) {
      for (unsigned byte = 0; byte < place; ++byte) {
        out.put(static_cast<char>((sample >> (8 * byte)) & 255));
      }
    }
  }
  static Sound scaled(Sound sound, std::int32_t factor) {
    for (std::int32_t& sample : sound) sample *= factor;
    return sound;
  }
  std::uint64_t credited() { return dispenser_.report().total.credited; }
  // It fails, and nothing of it was credited.
  std::string fault_of(const Signal& signal) {
    write_sound(record(signal, 3 * 48000));
    auto source = start("audio:recorded");
    EXPECT_TRUE(reaches(*source, "failed"));
    EXPECT_EQ(credited(), 0U);
    return source->report().detail;
  }
};

TEST_F(AudioTest, NoiseIsCredited) {
  write_sound(record(white(2, 1), 1 << 20));
  auto source = start("audio:recorded?h=1");
  ASSERT_TRUE(eventually([&] { return credited() > 0; }));
  const auto report = source->report();
  EXPECT_EQ(report.readings.at("rate_hertz"), 48000);
  EXPECT_NEAR(report.readings.at("noise_steps"), 2, 0.2);
  EXPECT_NEAR(report.readings.at("noise_bits"), 2.33, 0.25);
}

// A driver whose ring nobody fills any more.
TEST_F(AudioTest, ALoopIsAReplay) {
  Sound sound = record(white(2, 2), 2 * 48000);
  for (int times = 0; times < 20; ++times) {
    const Sound last(sound.end() - 6000, sound.end());
    sound.insert(sound.end(), last.begin(), last.end());
  }
  write_sound(sound);
  auto source = start("audio:recorded");
  EXPECT_TRUE(reaches(*source, "failed"));
  EXPECT_NE(source->report().detail.find("replay"), std::string::npos) << source->report().detail;
  EXPECT_LT(credited(), 2 * 48000 / 2);
}

TEST_F(AudioTest, TheEndOfARecordingIsSilence) {
  write_sound(record(white(2, 2), 12000 + 2 * 8192));
  auto source = start("audio:recorded");
  EXPECT_TRUE(reaches(*source, "failed"));
  EXPECT_NE(source->report().detail.find("only zeros"), std::string::npos)
      << source->report().detail;
  EXPECT_LE(credited(), 2 * 8192 / 2);
}

TEST_F(AudioTest, AMutedInputFails) {
  EXPECT_NE(fault_of([](double) { return 0; }).find("muted"), std::string::npos);
}
TEST_F(AudioTest, AClippedInputFails) {
  EXPECT_NE(fault_of(white(30000, 3)).find("clipped"), std::string::npos);
}
TEST_F(AudioTest, ATuneFails) {
  EXPECT_NE(fault_of(test::melody(5000)).find("a tone or music"), std::string::npos);
}
TEST_F(AudioTest, AnInputThatIsTooQuietFails) {
  EXPECT_NE(fault_of(white(0.4, 4)).find("what cannot be predicted"), std::string::npos);
}

// Of 24 bits in 32: those below 16 are where the noise of a good converter is.
TEST_F(AudioTest, ReadsTwentyFourBits) {
  write_sound(scaled(record(white(30, 7), 1 << 18), 256), 4);
  auto source = start("audio:recorded?bits=24");
  EXPECT_TRUE(eventually([&] { return credited() > 0; }));
  EXPECT_NEAR(source->report().readings.at("noise_steps"), 30, 3);
}
TEST_F(AudioTest, SixteenBitsAreNotTwentyFour) {
  write_sound(scaled(record(white(30, 7), 1 << 18), 65536), 4);
  auto source = start("audio:recorded?bits=24");
  EXPECT_TRUE(reaches(*source, "failed"));
  EXPECT_NE(source->report().detail.find("leave out bits=24"), std::string::npos)
      << source->report().detail;
}

// ALSA's null: as fast as it is read.
TEST_F(AudioTest, EndlessSilenceFailsAtOnce) {
  auto source = start("audio:muted");
  EXPECT_TRUE(reaches(*source, "failed"));
}

TEST_F(AudioTest, WhatIsNotThereIsGoneAndSaysWhy) {
  auto source = start("audio:nowhere");
  EXPECT_TRUE(reaches(*source, "gone"));
  const std::string detail = source->report().detail;
  EXPECT_NE(detail.find("nowhere"), std::string::npos) << detail;
  EXPECT_NE(detail.find("arecord -L"), std::string::npos) << detail;
  auto missing = start("audio:recorded");
  EXPECT_TRUE(reaches(*missing, "gone"));
  write_sound(record(white(2, 5), 1 << 18));
  EXPECT_TRUE(eventually([&] { return credited() > 0; })) << "found when it comes";
}

TEST_F(AudioTest, AWriterThatLeavesIsAFailure) {
  ASSERT_EQ(::mkfifo(path("sound").c_str(), 0600), 0);
  std::thread writer([&] { write_sound(record(white(2, 6), 1 << 16)); });
  auto source = start("audio:recorded");
  EXPECT_TRUE(eventually([&] { return credited() > 0; }));
  EXPECT_TRUE(reaches(*source, "failed"));
  writer.join();
}

TEST_F(AudioTest, NamesMayHoldCommasColonsAndQuestionMarks) {
  EXPECT_EQ(describe_source("audio:hw:CARD=PCH,DEV=0").h, 0.5);
  EXPECT_EQ(describe_source("audio:hw:CARD=PCH,DEV=0?h=1&rate=44100&bits=24").h, 1);
  EXPECT_EQ(describe_source("audio").h, 0.5);
  // Only what looks like options is one.
  auto source = start("audio:a?b:c,d?e?h=1");
  EXPECT_TRUE(reaches(*source, "gone"));
  EXPECT_NE(source->report().detail.find("the ALSA PCM a?b:c,d?e"), std::string::npos)
      << source->report().detail;
  EXPECT_THROW(describe_source("audio?bits=20"), Failure);
  EXPECT_THROW(describe_source("audio?rate=44.1"), Failure);
}

}  // namespace
}  // namespace qanat::sources
