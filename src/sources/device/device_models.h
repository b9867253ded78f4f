// What can be bought and gives noise over USB or a serial line: how each is recognised and read.
//
// docs/sources.md, "Devices in the wild", has the same as a table, with where each fact is from.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sources/device/serial_line.h"

namespace qanat::sources {

// Who a USB device says that it is. Some share the identity of the chip that they are built
// around: their product's name then decides.
struct UsbIdentity {
  std::uint16_t vendor = 0;
  std::uint16_t product = 0;
  std::string_view name = {};  // must be in the product's name; empty: whatever it is called
};

// What a device can be told to send.
struct DeviceMode {
  std::string_view name;                 // mode=NAME
  double h = 0;                          // claimed where the operator claims nothing, bits a byte
  std::string_view note;                 // what an operator should know
  std::string_view begin = {};           // sent after the opening
  std::span<const unsigned> knock = {};  // speeds, set one after another after the opening
  Parity parity = Parity::none;
};

struct DeviceModel {
  std::string_view name;   // model=NAME
  std::string_view title;  // for people
  std::span<const UsbIdentity> ids;
  // Exactly one of these two. How it is read: the modes of a preset for device:, the usual one
  // first;
  std::span<const DeviceMode> modes = {};
  // or the source that reads it, where it takes a protocol of its own; it is followed by the path
  // of its line where it ends with ':'. Proposed, not tried.
  std::string_view instead = {};
  std::string_view why_instead = {};

  std::string_view kernel_node = {};  // other than a serial line: its name without its number
  std::optional<unsigned> baud = {};  // nullopt: USB, where a speed means nothing
  std::string_view end = {};          // sent before the closing
  std::size_t skip = 0;               // bytes after each opening that are not looked at
  double rate = 0;                    // bytes a second, as its maker says; 0: nobody does
};

std::span<const DeviceModel> device_models();
// Null for a name that is none of them.
const DeviceModel* find_model(std::string_view name);
// Of those that device: can read: "truerng, truerng3, ...".
std::string preset_names();
// The first whose identity that is.
const DeviceModel* model_of(std::uint16_t vendor, std::uint16_t product,
                            std::string_view product_name);

// A mode of a preset, by its name; the usual one where `name` is empty; null for one that it does
// not have.
const DeviceMode* find_mode(const DeviceModel& model, std::string_view name);
// "normal, raw"
std::string mode_names(const DeviceModel& model);
// What to write for one at `path`.
std::string source_line(const DeviceModel& model, const std::string& path);

}  // namespace qanat::sources
