#include "machine/resume_watch.h"

#include <gtest/gtest.h>

namespace qanat::machine {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

TEST(ClockJumps, SeesSleepAndSettingAndNothingElse) {
  ClockReading clocks{100s, 90s, 1700000000s};
  ClockJumps jumps(clocks);
  const auto after = [&](Duration boot, Duration monotonic, Duration real) {
    clocks.boot += boot;
    clocks.monotonic += monotonic;
    clocks.real += real;
    return jumps.look(clocks).value_or("");
  };
  EXPECT_EQ(after(0s, 0s, 0s), "");
  EXPECT_EQ(after(10s, 10s, 10s), "");
  EXPECT_EQ(after(10s, 10s, 10s + 5ms), "") << "slewed at 500 ppm";
  EXPECT_EQ(after(10s + 20ms, 10s, 10s), "") << "kept waiting between two readings";
  EXPECT_EQ(after(13s, 10s, 13s), "the machine slept for 3.0 s");
  EXPECT_EQ(after(10s, 10s, 310s), "the clock was set forward by 5 min 0 s");
  EXPECT_EQ(after(10s, 10s, -3600s), "the clock was set back by 1 h 0 min");
  EXPECT_EQ(after(10s, 10s, 10s), "") << "each jump once";
}

TEST(VmGeneration, IsWhatTheKernelSaysAndNothingLikeIt) {
  const auto message = [](std::string_view line) {
    return std::string("change@/devices/vmgenid\0ACTION=change\0SUBSYSTEM=acpi\0"sv) +
           std::string(line) + std::string("\0SEQNUM=1234\0"sv);
  };
  EXPECT_TRUE(tells_new_generation(message("NEW_VMGENID=1")));
  EXPECT_TRUE(tells_new_generation("NEW_VMGENID=1"));
  EXPECT_FALSE(tells_new_generation(message("NEW_VMGENID=0")));
  EXPECT_FALSE(tells_new_generation(message("NEW_VMGENID=11")));
  // What a user with access to sysfs can make the kernel say.
  EXPECT_FALSE(tells_new_generation(message("SYNTH_ARG_NEW_VMGENID=1")));
  EXPECT_FALSE(tells_new_generation(""));
  EXPECT_FALSE(tells_new_generation("\0\0\0"sv));
}

TEST(ResumeWatch, IsQuietWhileNothingHappensAndEndsAtOnce) {
  for (int i = 0; i < 20; ++i) {
    const ResumeWatch watch([](const std::string& why) { FAIL() << why; },
                            [](const std::string& why) { FAIL() << why; });
  }
}

}  // namespace
}  // namespace qanat::machine
