// Which known noise devices this machine has, by what the kernel says of them. Opens none.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace qanat::sources {

struct UsbDevice {
  std::filesystem::path path;  // in sysfs, without links
  std::uint16_t vendor = 0;
  std::uint16_t product = 0;
  std::string name;    // as it says itself; may be empty
  std::string serial;  // the same

  std::string id() const;  // "1d50:6086"
};
// The one that a link of sysfs, such as /sys/class/tty/ttyACM0/device, leads to or below; nullopt
// when that is not on USB.
std::optional<UsbDevice> find_usb_device(const std::filesystem::path& link);

struct Found {
  std::string title;      // of the model, for people
  std::string where;      // the device's node, or its place on the bus; printable
  std::string id;         // "1d50:6086"
  std::string line = {};  // the source to write; empty: none reads it
  bool ready = false;     // `line` can be tried as it is: no other program, no key
  std::string why = {};   // what an operator should know; may be empty
};

struct Hardware {
  std::vector<Found> known;
  // Serial devices that nothing is known of, by their nodes. To open one may reset what is behind
  // it (DTR), or be taken for a call (a modem).
  std::vector<std::string> unknown;
  // Of the kernel's own drivers of hardware RNGs: those that /dev/hwrng does not read.
  std::vector<std::string> other_hwrngs;
};

// `root`: of the directories sys and dev that are looked at; "" is this machine's. What cannot be
// read is as if it were not there.
Hardware find_hardware(const std::string& root = "");

}  // namespace qanat::sources
