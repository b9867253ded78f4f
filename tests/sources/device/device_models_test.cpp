#include "sources/device/device_models.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "sources/device/device.h"
#include "sources/source_test.h"
#include "support/eventually.h"
#include "support/noise.h"

namespace qanat::sources {
namespace {

using test::eventually;
using namespace std::chrono_literals;

// A serial line, and what is plugged into it.
class Plug {
 public:
  Plug() {
    int controller = -1;
    int line = -1;
    std::array<char, 256> name{};
    EXPECT_EQ(::openpty(&controller, &line, name.data(), nullptr, nullptr), 0);
    controller_ = UniqueFd(controller);
    line_ = UniqueFd(line);
    path = name.data();
    ::fcntl(controller, F_SETFL, O_NONBLOCK);
  }

  // What it has been told until now.
  const std::string& told() {
    std::array<char, 256> some{};
    ssize_t n = 0;
    while ((n = ::read(controller_.get(), some.data(), some.size())) > 0) {
      told_.append(some.data(), static_cast<std::size_t>(n));
    }
    return told_;
  }
  termios settings() const {
    termios line{};
    EXPECT_EQ(::tcgetattr(line_.get(), &line), 0);
    return line;
  }
  bool says(std::uint64_t seed) const {
    const auto noise = test::uniform(256, seed);
    return ::write(controller_.get(), noise.data(), noise.size()) > 0;
  }
  // Bytes that it has sent and nobody has read.
  int waiting() const {
    int bytes = -1;
    ::ioctl(line_.get(), FIONREAD, &bytes);
    return bytes;
  }
  // It reads nothing more: until nothing more can be written to it.
  void hang() const {
    const UniqueFd writer(::open(path.c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    const std::string much(4096, 'x');
    while (::write(writer.get(), much.data(), much.size()) > 0) continue;
  }

  std::string path;

 private:
  UniqueFd controller_;
  UniqueFd line_;  // held, so that the line outlives its users
  std::string told_;
};

std::unique_ptr<Source> device(const Plug& plug, const std::string& options) {
  return make_probe("device:" + plug.path + options);
}

TEST(DeviceModels, AOneRngIsToldWhatToSendAndToStop) {
  Plug plug;
  const Waker stop;
  const auto source = device(plug, "?model=onerng&skip=0");
  ASSERT_TRUE(source->open(stop));
  EXPECT_TRUE(eventually([&] { return plug.told() == "cmd1\ncmdw\ncmdO\n"; })) << plug.told();
  ASSERT_TRUE(plug.says(1));
  std::array<std::uint8_t, 256> samples{};
  const auto got = source->read(samples, stop);
  ASSERT_TRUE(got);
  EXPECT_GT(*got, 0U);
  source->close();
  EXPECT_TRUE(eventually([&] { return plug.told() == "cmd1\ncmdw\ncmdO\ncmdo\ncmd4\ncmdw\n"; }))
      << plug.told();
  EXPECT_NE(plug.settings().c_cflag & HUPCL, 0U) << "DTR falls at the closing";
  EXPECT_EQ(plug.settings().c_lflag & (ICANON | ECHO), 0U);
}

TEST(DeviceModels, AModeIsChosenByItsName) {
  Plug plug;
  const Waker stop;
  const auto source = device(plug, "?model=onerng&mode=avalanche");
  ASSERT_TRUE(source->open(stop));
  EXPECT_TRUE(eventually([&] { return plug.told() == "cmd0\ncmdw\ncmdO\n"; })) << plug.told();
}

TEST(DeviceModels, AnyOtherDeviceIsToldNothing) {
  Plug plug;
  const Waker stop;
  for (const char* const options : {"", "?baud=9600", "?model=truerng3", "?model=fg"}) {
    const auto source = device(plug, options);
    ASSERT_TRUE(source->open(stop));
    source->close();
    EXPECT_EQ(plug.told(), "") << options;
  }
  const termios line = plug.settings();
  EXPECT_EQ(::cfgetospeed(&line), static_cast<speed_t>(B115200)) << "of fg";
}

TEST(DeviceModels, ATrueRngProIsKnockedAtAndEndsAtTheSpeedOfItsMode) {
  Plug plug;
  const Waker stop;
  const auto source = device(plug, "?model=truerngpro&mode=raw");
  ASSERT_TRUE(source->open(stop));
  const termios line = plug.settings();
  EXPECT_EQ(::cfgetospeed(&line), static_cast<speed_t>(B19200));
  EXPECT_EQ(plug.told(), "");
}

TEST(DeviceModels, WhatComesBeforeTheModeIsThrownAway) {
  Plug plug;
  const Waker stop;
  const auto source = device(plug, "?model=truerngpro&mode=raw");
  std::atomic<bool> settled{false};
  std::jthread opener([&] {
    EXPECT_TRUE(source->open(stop));
    settled = true;
  });
  const auto speed = [&] {
    const termios line = plug.settings();
    return ::cfgetospeed(&line);
  };
  ASSERT_TRUE(eventually([&] { return speed() == B19200; }));
  const TimePoint told = Clock().now();
  // Of the mode before, a while after it was told: several times as long as between two knocks.
  while (Clock().now() - told < 100ms) std::this_thread::yield();
  const bool early = !settled;
  plug.says(1);
  const bool slow = Clock().now() - told > 700ms;  // this machine, so that nothing can be said
  opener.join();
  EXPECT_TRUE(early || slow);
  EXPECT_TRUE(plug.waiting() == 0 || slow) << plug.waiting();
}

// A pseudo-terminal is a line without parity, as is one whose driver knows none.
TEST(DeviceModels, ALineThatCannotBeSetAsAModeNeedsItIsRefused) {
  Plug plug;
  const Waker stop;
  const auto opened = device(plug, "?model=neug&mode=raw")->open(stop);
  ASSERT_FALSE(opened) << "it would send something else than was asked for";
  EXPECT_NE(opened.error().message.find("cannot set the line"), std::string::npos);
  EXPECT_TRUE(device(plug, "?model=neug")->open(stop));
}

TEST(DeviceModels, ADeviceThatTakesNoCommandsIsAnErrorAndHoldsUpNothing) {
  Plug plug;
  plug.hang();
  const UniqueFd line(::open(plug.path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  const Waker stop;
  const std::string more(1 << 16, 'x');
  const auto told = tell(line.get(), plug.path, more, stop, 50ms);
  ASSERT_FALSE(told);
  EXPECT_NE(told.error().message.find("takes no commands"), std::string::npos);
  tell_and_leave(line.get(), "cmdo\n", 50ms);
  stop.wake();
  const auto woken = tell(line.get(), plug.path, more, stop, 1h);
  ASSERT_FALSE(woken);
  EXPECT_TRUE(woken.error().interrupted);
}

TEST(DeviceModels, AStopIsNotWaitedForInAKnock) {
  Plug plug;
  const Waker stop;
  stop.wake();
  const auto opened = device(plug, "?model=truerngpro")->open(stop);
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().interrupted);
}

TEST(DeviceModels, WhatIsWrittenGoesBeforeThePreset) {
  EXPECT_EQ(describe_source("device:/dev/x?model=onerng").h, 4);
  EXPECT_EQ(describe_source("device:/dev/x?model=onerng&h=1").h, 1);
  EXPECT_EQ(describe_source("device:/dev/x?model=truerngpro&mode=raw").h, 1);
  EXPECT_NE(describe_source("device:/dev/x?model=truerng3").note.find("whitens"),
            std::string::npos);
  EXPECT_NO_THROW(describe_source("device:/dev/x?model=fg&baud=9600&skip=0"));
}

TEST(DeviceModels, WhatIsWrongIsSaidWithWhatIsRight) {
  const auto problem = [](const char* text) -> std::string {
    try {
      describe_source(text);
    } catch (const Failure& failure) {
      return failure.what();
    }
    return "";
  };
  const std::string unknown = problem("device:/dev/x?model=hotbits");
  EXPECT_NE(unknown.find("hotbits"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find(preset_names()), std::string::npos) << unknown;
  EXPECT_NE(problem("device:/dev/x?model=onerng&mode=rw").find("raw, avalanche"),
            std::string::npos);
  EXPECT_NE(problem("device:/dev/x?mode=raw").find("model="), std::string::npos);
  EXPECT_NE(problem("device:/dev/x?model=infnoise").find("exec:infnoise --raw"), std::string::npos);
  EXPECT_NE(problem("device:/dev/x?model=entropykey").find("entropykey:/dev/x"), std::string::npos);
  EXPECT_NE(problem("device:/dev/x?model=truerngpro&baud=9600").find("leave out"),
            std::string::npos);
  EXPECT_NE(problem("hwrng?model=onerng"), "") << "hwrng has no models";
}

TEST(DeviceModels, AModelOfASerialLineWantsOne) {
  const Waker stop;
  const auto opened = make_probe("device:/dev/zero?model=truerng")->open(stop);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("not a serial line"), std::string::npos);
}

TEST(DeviceModels, TheTableHolds) {
  std::set<std::string_view> names;
  for (const DeviceModel& model : device_models()) {
    EXPECT_TRUE(names.insert(model.name).second) << model.name;
    EXPECT_NE(model.modes.empty(), model.instead.empty()) << model.name;
    EXPECT_TRUE(!model.baud || known_baud(*model.baud)) << model.name;
    std::set<std::string_view> modes;
    for (const DeviceMode& mode : model.modes) {
      EXPECT_TRUE(modes.insert(mode.name).second) << model.name;
      EXPECT_GT(mode.h, 0);
      EXPECT_LE(mode.h, 4) << model.name << ": nobody here has measured one";
      EXPECT_FALSE(mode.note.empty()) << model.name;
      for (const unsigned speed : mode.knock) EXPECT_TRUE(known_baud(speed)) << model.name;
    }
    // What is proposed can be read, but for a type that this build may not have.
    const std::string line = source_line(model, "/dev/ttyACM0");
    if (line.starts_with("entropykey:")) continue;
    EXPECT_NO_THROW(describe_source(line)) << line;
  }
}

// What a line of udev's rules compares a key with; empty where it does not.
std::string compared(const std::string& line, const std::string& key) {
  const std::string before = "{" + key + "}==\"";
  const std::size_t at = line.find(before);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + before.size();
  return line.substr(begin, line.find('"', begin) - begin);
}

// packaging/60-qanat.rules has each identity of the table, and no other.
TEST(DeviceModels, TheRulesOfUdevAreOfTheSameDevices) {
  std::ifstream file(std::string(TEST_DATA) + "/../../packaging/60-qanat.rules");
  std::set<std::string> ruled;
  for (std::string line; std::getline(file, line);) {
    const std::string products = compared(line, "idProduct");
    for (std::size_t at = 0; at < products.size(); at += 5) {
      ruled.insert(compared(line, "idVendor") + ":" + products.substr(at, 4));
    }
    EXPECT_TRUE(products.empty() || line.find("ID_MM_DEVICE_IGNORE") != std::string::npos ||
                line.starts_with("SUBSYSTEM==\"usbmisc\""))
        << line;
  }
  std::set<std::string> known;
  for (const DeviceModel& model : device_models()) {
    for (const UsbIdentity& id : model.ids) {
      known.insert(fmt::format("{:04x}:{:04x}", id.vendor, id.product));
    }
  }
  EXPECT_EQ(ruled, known);
}

TEST_F(SourceTest, AModelFeedsTheNodeAndSurvivesBeingPulled) {
  auto plug = std::make_unique<Plug>();
  auto source = start("device:" + plug->path + "?model=onerng&h=8");
  EXPECT_TRUE(eventually([&] { return plug->told().find("cmdO") != std::string::npos; }));
  std::uint64_t seed = 0;
  EXPECT_TRUE(eventually([&] {
    plug->says(++seed);
    return dispenser_.report().total.credited > 0;
  }));
  plug.reset();
  EXPECT_TRUE(reaches(*source, "gone"));
}

}  // namespace
}  // namespace qanat::sources
