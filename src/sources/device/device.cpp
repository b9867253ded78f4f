#include "sources/device/device.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/files.h"
#include "base/powers.h"
#include "base/quantity.h"
#include "base/shown.h"
#include "base/suggest.h"
#include "sources/runner/skipping.h"
#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {

using namespace std::chrono_literals;

namespace {

// Such a device (hwrng) has no poll, and answers a read only when all of it is there: in small
// pieces, so that a stop is never waited for long. 64 bytes are 7 ms at 10 kB/s.
constexpr std::size_t blocking_piece = 64;

// A device that takes no commands for so long takes none.
constexpr Duration telling_patience = 2s;
// For the last words of a line that is closed, when a stop may be waiting.
constexpr Duration leaving_patience = 200ms;
// Between two speeds of a knock: ubld.it's script opens and closes the line for each.
constexpr Duration knock_pause = 20ms;
// Until it sends as it was told: the same script waits for a second.
constexpr Duration knock_settles = 1s;

// linux/miscdevice.h, and Documentation/admin-guide/devices.txt: /dev/hwrng.
constexpr unsigned misc_devices = 10;
constexpr unsigned minor_hwrng = 183;
constexpr const char* hwrng_current = "/sys/class/misc/hw_random/rng_current";

// The kernel's driver behind /dev/hwrng; "none" without one, empty where that cannot be told.
std::string hwrng_driver() {
  auto name = read_file(hwrng_current, 256);
  if (!name) return "";
  if (name->ends_with('\n')) name->pop_back();
  return std::move(*name);
}

bool is_hwrng(const struct stat& info) {
  return major(info.st_rdev) == misc_devices && minor(info.st_rdev) == minor_hwrng;
}

}  // namespace

// Whether something is written to it.
bool Device::is_told() const {
  return mode_ != nullptr && !(mode_->begin.empty() && model_->end.empty());
}

Result<void> Device::open(const Waker& stop) {
  const int access = is_told() ? O_RDWR : O_RDONLY;
  fd_ = UniqueFd(open_file(path_, access | O_NONBLOCK));
  if (!fd_) return error(with_errno("cannot open " + path_, errno));
  auto ready = set_up(stop);
  if (!ready) close();
  return ready;
}

Result<void> Device::set_up(const Waker& stop) {
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0 || !S_ISCHR(info.st_mode)) {
    return error(path_ + " is not a character device; for a file or FIFO use file:" + path_);
  }
  origin_ = origin_of(info);
  if (::isatty(fd_.get()) == 1) {
    auto ready = set_raw_line(fd_.get(), path_, baud_);
    return ready && mode_ != nullptr ? begin(stop) : ready;
  }
  if (baud_) {
    return error(path_ + " is not a serial line, so baud= does nothing there; leave it out");
  }
  if (model_ != nullptr && model_->kernel_node.empty()) {
    return error(fmt::format("{} is not a serial line, as a {} has one: model={} is wrong there",
                             path_, model_->title, model_->name));
  }
  if (is_hwrng(info) && hwrng_driver() == "none") {
    return error(path_ + ": the kernel has no hardware RNG in use (" + hwrng_current +
                 " says 'none')");
  }
  return {};
}

// Tells it what to send. What comes before that is not of its mode, and thrown away.
Result<void> Device::begin(const Waker& stop) {
  if (mode_->parity != Parity::none) {
    if (auto set = set_parity(fd_.get(), path_, mode_->parity); !set) return set;
  }
  for (const unsigned& speed : mode_->knock) {
    if (auto set = set_speed(fd_.get(), path_, speed); !set) return set;
    const bool last = &speed == &mode_->knock.back();
    if (wait_for(-1, 0, stop, last ? knock_settles : knock_pause) == Wake::woken) {
      return interrupted();
    }
  }
  if (!mode_->knock.empty()) ::tcflush(fd_.get(), TCIFLUSH);
  if (mode_->begin.empty()) return {};
  begun_ = true;
  return tell(fd_.get(), path_, mode_->begin, stop, telling_patience);
}

void Device::close() {
  if (fd_ && std::exchange(begun_, false)) {
    tell_and_leave(fd_.get(), model_->end, leaving_patience);
  }
  fd_.reset();
}

Result<std::size_t> Device::read(MutableBytes out, const Waker& waker) {
  for (;;) {
    if (wait_for(fd_.get(), POLLIN, waker, std::nullopt) == Wake::woken) return std::size_t{0};
    const ssize_t n = ::read(fd_.get(), out.data(), out.size());
    if (n > 0) return static_cast<std::size_t>(n);
    if (n == 0) return error(path_ + " has ended (unplugged?)");
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return error(with_errno("cannot read " + path_, errno));
    // poll() said yes and read() said not yet: a device without poll. Block in small reads.
    ::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) & ~O_NONBLOCK);
    out = out.first(std::min(out.size(), blocking_piece));
  }
}

namespace {

std::optional<unsigned> baud_of(const spec::Spec& spec) {
  const auto text = spec.option("baud");
  if (!text) return std::nullopt;
  const auto baud = parse_number<unsigned>(*text);
  if (!baud || !known_baud(*baud)) {
    throw Failure(
        fmt::format("{}: baud={} is not a line speed; 115200 is usual", spec.text, *text));
  }
  return baud;
}

// model= and mode=, as presets of the options that are not written.
struct Preset {
  const DeviceModel* model = nullptr;
  const DeviceMode* mode = nullptr;
};

Preset preset_of(const spec::Spec& spec) {
  const auto name = spec.option("model");
  const auto mode_name = spec.option("mode");
  if (!name) {
    if (mode_name)
      throw Failure(fmt::format("{}: mode= is a model's; write model=, too", spec.text));
    return {};
  }
  const DeviceModel* const model = find_model(*name);
  if (model == nullptr) {
    const std::string known = preset_names();
    throw Failure(
        fmt::format("{}: model={} is not known; known are {}. Without model= any device "
                    "is read as it is{}",
                    spec.text, *name, known, did_you_mean(*name, words_of(known))));
  }
  if (model->modes.empty()) {
    throw Failure(fmt::format("{}: device: does not read a {}, as {}; write {}", spec.text,
                              model->title, model->why_instead, source_line(*model, spec.target)));
  }
  const DeviceMode* const mode = find_mode(*model, mode_name.value_or(""));
  if (mode == nullptr) {
    const std::string known = mode_names(*model);
    throw Failure(fmt::format("{}: mode={} is not one of model={}, which has {}{}", spec.text,
                              *mode_name, *name, known, did_you_mean(*mode_name, words_of(known))));
  }
  return {model, mode};
}

SourcePlan read_device(const spec::Spec& spec, entropy::Claim usual) {
  const auto [model, mode] = preset_of(spec);
  std::optional<unsigned> baud = baud_of(spec);
  std::string note;
  if (model != nullptr) {
    if (baud && !mode->knock.empty()) {
      throw Failure(
          fmt::format("{}: a {} is told its mode by speeds, and has no other; leave out "
                      "baud=",
                      spec.text, model->title));
    }
    if (!baud) baud = model->baud;
    usual.h = mode->h;
    note = mode->note;
  }
  return {.name = spec.text,
          .claim = spec::claim_of(spec, usual),
          .note = note,
          .path = spec.target,
          .make = skipping(
              spec,
              [path = spec.target, baud, model = model, mode = mode] {
                return std::make_unique<Device>(path, baud, model, mode);
              },
              model == nullptr ? 0 : model->skip)};
}

constexpr const char* hwrng_path = "/dev/hwrng";

SourcePlan read_hwrng(const spec::Spec& spec, entropy::Claim usual) {
  const std::string path = spec.target.empty() ? hwrng_path : spec.target;
  return {.name = spec.text,
          .claim = spec::claim_of(spec, usual),
          .path = path,
          .make = skipping(spec, [path] { return std::make_unique<Device>(path, std::nullopt); })};
}

// Its driver, which is what an operator should know of it.
Availability hwrng_available() {
  Availability found = by_path(hwrng_path);
  const std::string driver = hwrng_driver();
  if (!found.here || driver.empty()) return found;
  if (driver == "none")
    return {false,
            fmt::format("the kernel has no hardware RNG in use ({} says 'none')", hwrng_current)};
  return {true, fmt::format("{}, driver {}", hwrng_path, shown(driver))};
}

}  // namespace

// Unknown hardware: half.
extern const SourceType device_type{
    .name = "device",
    .target = "PATH",
    .usual = {4, true},
    .options = "baud skip model mode",
    .summary = "a character device or serial line",
    .read = read_device,
};
// The kernel's hwrng interface: quality is the driver's word (1024 of 1024 for virtio-rng).
extern const SourceType hwrng_type{
    .name = "hwrng",
    .target = "[PATH]",
    .usual = {7, true},
    .options = "skip",
    .summary = "the kernel's hardware RNG, /dev/hwrng",
    .read = read_hwrng,
    .available = hwrng_available,
    .by_default = true,
};

}  // namespace qanat::sources
