#include "sources/device/usb.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/files.h"
#include "base/quantity.h"
#include "base/shown.h"
#include "sources/device/device_models.h"
#include "spec/spec.h"

namespace qanat::sources {
namespace {

namespace fs = std::filesystem;

// An attribute of sysfs is a line of at most a page.
constexpr std::size_t most_attribute = 4096;
// A serial line's device is an interface or a port of a USB device, some steps below it.
constexpr int most_steps = 8;
// More than any machine has: a directory that never ends ends here.
constexpr std::size_t most_entries = 4096;

std::string attribute(const fs::path& path) {
  // A FIFO in its place would not end.
  auto text = read_file(path.string(), most_attribute, FileKind::regular);
  if (!text) return "";
  while (text->ends_with('\n') || text->ends_with(' ')) text->pop_back();
  return std::move(*text);
}

// The names in a directory, in order; of links, their own.
std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code problem;
  for (fs::directory_iterator at(directory, problem), end; !problem && at != end;
       at.increment(problem)) {
    names.push_back(at->path().filename().string());
    if (names.size() == most_entries) break;
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<UsbDevice> read_device_at(const fs::path& path) {
  const auto vendor = parse_number<std::uint16_t>(attribute(path / "idVendor"), 16);
  const auto product = parse_number<std::uint16_t>(attribute(path / "idProduct"), 16);
  if (!vendor || !product) return std::nullopt;
  return UsbDevice{path, *vendor, *product, attribute(path / "product"),
                   attribute(path / "serial")};
}

// A path can be written in a source's name as it is, and steers no terminal.
bool can_be_written(const std::string& path) {
  const auto spec = spec::parse_spec("device:" + path);
  return spec && spec->target == path && escaped(path) == path &&
         path.find_first_of(" \t'\"") == std::string::npos;
}

// The name that stays when it is plugged in elsewhere, or after another.
std::string stable_name(const std::string& root, const std::string& node) {
  const std::string directory = "/dev/serial/by-id";
  for (const std::string& name : names_in(root + directory)) {
    std::error_code problem;
    const fs::path target = fs::read_symlink(fs::path(root + directory) / name, problem);
    std::string stable = fmt::format("{}/{}", directory, name);
    if (!problem && target.filename() == node && can_be_written(stable)) return stable;
  }
  return "/dev/" + node;
}

Found found(const UsbDevice& device, const DeviceModel& model, const std::string& where,
            const std::string& path) {
  Found result{.title = std::string(model.title), .where = escaped(where), .id = device.id()};
  if (model.modes.empty()) {
    result.line = source_line(model, path);
    result.why = model.why_instead;
  } else if (!path.empty()) {
    result.line = source_line(model, path);
    result.ready = true;
  } else {
    result.why = fmt::format("the kernel has not loaded a driver for it: load {}",
                             model.kernel_node.empty() ? "cdc_acm" : model.kernel_node);
  }
  return result;
}

// The node that a driver of the kernel's gives a device: below one of its interfaces.
std::string kernel_node_of(const UsbDevice& device, std::string_view kind) {
  for (const std::string& interface : names_in(device.path)) {
    for (const std::string& node : names_in(device.path / interface / "usbmisc")) {
      if (node.starts_with(kind)) return "/dev/" + node;
    }
  }
  return "";
}

void find_lines(const std::string& root, Hardware& hardware, std::set<fs::path>& seen) {
  const fs::path lines = root + "/sys/class/tty";
  for (const std::string& node : names_in(lines)) {
    const auto device = find_usb_device(lines / node / "device");
    if (!device || !can_be_written("/dev/" + node)) continue;
    const DeviceModel* const model = model_of(device->vendor, device->product, device->name);
    if (model == nullptr) {
      hardware.unknown.push_back("/dev/" + node);
      continue;
    }
    seen.insert(device->path);
    hardware.known.push_back(found(*device, *model, "/dev/" + node, stable_name(root, node)));
  }
}

void find_devices(const std::string& root, Hardware& hardware, std::set<fs::path>& seen) {
  const fs::path devices = root + "/sys/bus/usb/devices";
  for (const std::string& name : names_in(devices)) {
    std::error_code problem;
    const fs::path path = fs::canonical(devices / name, problem);
    const auto device = problem ? std::nullopt : read_device_at(path);
    if (!device || !seen.insert(path).second) continue;
    const DeviceModel* const model = model_of(device->vendor, device->product, device->name);
    if (model == nullptr) continue;
    const std::string node =
        model->kernel_node.empty() ? "" : kernel_node_of(*device, model->kernel_node);
    const bool written = !node.empty() && can_be_written(node);
    hardware.known.push_back(
        found(*device, *model, written ? node : "USB " + name, written ? node : ""));
  }
}

void find_hwrngs(const std::string& root, Hardware& hardware) {
  const fs::path drivers = root + "/sys/class/misc/hw_random";
  const std::string current = attribute(drivers / "rng_current");
  std::string available = attribute(drivers / "rng_available");
  while (!available.empty()) {
    const std::size_t end = std::min(available.find(' '), available.size());
    const std::string name = available.substr(0, end);
    // "none" turns them all off.
    if (!name.empty() && name != "none" && name != current)
      hardware.other_hwrngs.push_back(escaped(name));
    available.erase(0, end + 1);
  }
}

}  // namespace

std::string UsbDevice::id() const { return fmt::format("{:04x}:{:04x}", vendor, product); }

std::optional<UsbDevice> find_usb_device(const fs::path& link) {
  std::error_code problem;
  fs::path path = fs::canonical(link, problem);
  if (problem) return std::nullopt;
  for (int step = 0; step < most_steps && path.has_relative_path(); ++step) {
    if (auto device = read_device_at(path)) return device;
    path = path.parent_path();
  }
  return std::nullopt;
}

Hardware find_hardware(const std::string& root) {
  Hardware hardware;
  std::set<fs::path> seen;
  find_lines(root, hardware, seen);
  find_devices(root, hardware, seen);
  find_hwrngs(root, hardware);
  return hardware;
}

}  // namespace qanat::sources
