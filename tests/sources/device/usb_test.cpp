#include "sources/device/usb.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "support/temporary_directory.h"

namespace qanat::sources {
namespace {

namespace fs = std::filesystem;

// A made-up /sys and /dev.
class Machine {
 public:
  Machine() {
    fs::create_directories(root() + "/sys/class/tty");
    fs::create_directories(root() + "/sys/bus/usb/devices");
    fs::create_directories(root() + "/dev/serial/by-id");
  }
  const std::string& root() const { return root_; }

  // As the kernel has one: its directory, with an interface in it.
  std::string plug_in(const std::string& port, const std::string& vendor,
                      const std::string& product, const std::string& name) {
    const std::string path = root() + "/sys/devices/pci0000:00/usb1/" + port;
    fs::create_directories(path + "/" + port + ":1.0");
    write(path + "/idVendor", vendor);
    write(path + "/idProduct", product);
    write(path + "/product", name);
    fs::create_symlink(path, root() + "/sys/bus/usb/devices/" + port);
    return path + "/" + port + ":1.0";
  }
  void give_line(const std::string& node, const std::string& interface) {
    fs::create_directories(root() + "/sys/class/tty/" + node);
    fs::create_symlink(interface, root() + "/sys/class/tty/" + node + "/device");
  }
  void give_stable_name(const std::string& name, const std::string& node) {
    fs::create_symlink("../../" + node, root() + "/dev/serial/by-id/" + name);
  }
  static void write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text << "\n";
  }
  Hardware look() const { return find_hardware(root()); }

 private:
  const test::TemporaryDirectory temporary_;
  const std::string root_ = temporary_.path();
};

TEST(Usb, AKnownDeviceIsFoundUnderTheNameThatStays) {
  Machine machine;
  machine.give_line("ttyACM0", machine.plug_in("1-1", "1d50", "6086", "00"));
  machine.give_line("ttyACM1", machine.plug_in("1-2", "04d8", "f5fe", "TrueRNG"));
  machine.give_stable_name("usb-Moonbase_Otago_OneRNG_00-if00", "ttyACM0");
  const Hardware found = machine.look();
  ASSERT_EQ(found.known.size(), 2U);
  EXPECT_EQ(found.known[0].title, "OneRNG");
  EXPECT_EQ(found.known[0].where, "/dev/ttyACM0");
  EXPECT_EQ(found.known[0].id, "1d50:6086");
  EXPECT_EQ(found.known[0].line,
            "device:/dev/serial/by-id/usb-Moonbase_Otago_OneRNG_00-if00?model=onerng");
  EXPECT_TRUE(found.known[0].ready);
  EXPECT_EQ(found.known[1].line, "device:/dev/ttyACM1?model=truerng");
  EXPECT_TRUE(found.unknown.empty());
}

TEST(Usb, WhatIsNotKnownIsNamedAndWhatIsNoUsbIsNot) {
  Machine machine;
  machine.give_line("ttyUSB0", machine.plug_in("1-1", "2341", "0043", "Arduino"));
  fs::create_directories(machine.root() + "/sys/class/tty/tty0");
  fs::create_directories(machine.root() + "/sys/devices/platform/serial8250");
  machine.give_line("ttyS0", machine.root() + "/sys/devices/platform/serial8250");
  const Hardware found = machine.look();
  EXPECT_TRUE(found.known.empty());
  EXPECT_EQ(found.unknown, std::vector<std::string>{"/dev/ttyUSB0"});
}

TEST(Usb, WhatOtherProgramsReadIsProposedAndNotTried) {
  Machine machine;
  machine.plug_in("1-1", "0403", "6015", "Infinite Noise TRNG");
  machine.plug_in("1-2", "0403", "6015", "FT231X USB UART");
  machine.plug_in("1-3", "0403", "7840", "BitBabbler White");
  machine.give_line("ttyACM0", machine.plug_in("1-4", "20df", "0001", "Entropy Key"));
  const Hardware found = machine.look();
  ASSERT_EQ(found.known.size(), 3U) << "the chip alone is no Infinite Noise";
  for (const Found& one : found.known) EXPECT_FALSE(one.ready) << one.title;
  EXPECT_EQ(found.known[0].line, "entropykey:/dev/ttyACM0");
  EXPECT_EQ(found.known[1].line, "exec:infnoise --raw?h=4");
  EXPECT_NE(found.known[1].why.find("infnoise.service"), std::string::npos);
  EXPECT_TRUE(found.known[2].line.starts_with("exec:seedd "));
}

TEST(Usb, AChaosKeyIsReadByTheKernelsDriver) {
  Machine machine;
  const std::string interface = machine.plug_in("1-1", "1d50", "60c6", "ChaosKey-hw-1.0");
  ASSERT_EQ(machine.look().known.size(), 1U);
  EXPECT_EQ(machine.look().known[0].line, "");
  EXPECT_NE(machine.look().known[0].why.find("load chaoskey"), std::string::npos);
  fs::create_directories(interface + "/usbmisc/chaoskey0");
  EXPECT_EQ(machine.look().known[0].line, "device:/dev/chaoskey0?model=chaoskey");
  EXPECT_TRUE(machine.look().known[0].ready);
  Machine::write(machine.root() + "/sys/class/misc/hw_random/rng_current", "virtio_rng.0");
  Machine::write(machine.root() + "/sys/class/misc/hw_random/rng_available",
                 "virtio_rng.0 ChaosKey-hw-1.0-123 none ");
  EXPECT_EQ(machine.look().other_hwrngs, std::vector<std::string>{"ChaosKey-hw-1.0-123"});
}

TEST(Usb, WhatLiesInItIsNotBelieved) {
  Machine machine;
  const std::string root = machine.root();
  // Links in a circle, to nowhere and to the root; a directory, a pipe and too much in the place of
  // an attribute; names that would act on a terminal or in a source's name.
  fs::create_symlink(root + "/sys/bus/usb/devices/b", root + "/sys/bus/usb/devices/a");
  fs::create_symlink(root + "/sys/bus/usb/devices/a", root + "/sys/bus/usb/devices/b");
  fs::create_symlink(root + "/nowhere", root + "/sys/bus/usb/devices/c");
  machine.give_line("ttyACM0", "/");
  machine.give_line("ttyACM1", root + "/sys/class/tty/ttyACM1/device");
  const std::string interface = machine.plug_in("1-1", "1d50", "6086", "00");
  machine.give_line("tty\x1b[2J", interface);
  machine.give_line("ttyACM2?h=8", interface);
  machine.give_line("ttyACM3", interface);
  machine.give_stable_name("usb-\x1b]0;evil\x07", "ttyACM3");
  machine.give_stable_name("usb-x?h=8&y=1", "ttyACM3");
  machine.give_stable_name("usb-a b", "ttyACM3");
  fs::create_directories(root + "/sys/bus/usb/devices/d/idVendor");
  fs::create_directories(root + "/sys/bus/usb/devices/e");
  ASSERT_EQ(::mkfifo((root + "/sys/bus/usb/devices/e/idVendor").c_str(), 0600), 0);
  Machine::write(root + "/sys/bus/usb/devices/f/idVendor", std::string(1 << 20, '1'));
  Machine::write(root + "/sys/bus/usb/devices/g/idVendor", "1d50\x1b");
  machine.plug_in("1-2", "-1d5", "6086", "x");
  machine.plug_in("1-3", "1d50", "16086", "x");
  const Hardware found = machine.look();
  ASSERT_EQ(found.known.size(), 1U);
  EXPECT_EQ(found.known[0].line, "device:/dev/ttyACM3?model=onerng");
  EXPECT_TRUE(found.unknown.empty());
}

TEST(Usb, AMachineWithoutAnyOfItHasNothing) {
  const test::TemporaryDirectory empty;
  const Hardware found = find_hardware(empty.path() + "/absent");
  EXPECT_TRUE(found.known.empty() && found.unknown.empty() && found.other_hwrngs.empty());
}

TEST(Usb, ThisMachineIsLookedAtWithoutHarm) { EXPECT_NO_THROW(find_hardware()); }

}  // namespace
}  // namespace qanat::sources
