#include "sources/device/device_models.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace qanat::sources {
namespace {

// Nobody can look inside a device that whitens what it sends: half of what its maker claims, as of
// RDSEED.
constexpr double whitened_h = 4;
constexpr std::string_view whitened =
    "it whitens what it sends: the health tests cannot see its noise, and half is claimed";

// ubld.it. Identities: its udev rules (github.com/euler357/TrueRNG, udev_rules/99-TrueRNG.rules).
// It sends while DTR is up, takes no commands, and any speed does ("Sticky - FAQ" of its forum).
// v1 and v2: "more than 350 kilobits/second"; v3: "over 400", 20 bits of ADC mixed to 8
// (ubld.it/truerng_v3). The versions have one identity: nothing tells them apart.
constexpr std::array truerng_ids{UsbIdentity{0x04d8, 0xf5fe}};
constexpr std::array truerng_modes{DeviceMode{"normal", whitened_h, whitened}};

// Its modes are knocked at: three speeds, and a fourth that names the mode
// (ubld.it, "How-To Change TrueRNGpro's Mode"; truerng_mode.py of the same repository has those
// that the V2 alone has). Debug modes and those that send digits are left out: they are for people.
// "RAW Binary" is 4 bytes a pair of 10-bit samples, each with a counter in its two upper bits
// ("TrueRNGpro Raw Binary Format"), and the samples are Gaussian: the upper four bits of one vary
// little, and a byte of them bounds the claim. Nobody here had one to measure.
constexpr std::array truerngpro_ids{UsbIdentity{0x16d0, 0x0aa0}};
constexpr std::array truerngpro_v2_ids{UsbIdentity{0x04d8, 0xebb5}};
constexpr std::array knock_normal{110U, 300U, 110U, 300U};
constexpr std::array knock_rng1{110U, 300U, 110U, 4800U};
constexpr std::array knock_rng2{110U, 300U, 110U, 9600U};
constexpr std::array knock_raw{110U, 300U, 110U, 19200U};
constexpr std::array knock_unwhitened{110U, 300U, 110U, 57600U};
constexpr std::string_view pro_raw =
    "samples of its ADC, numbered in the two upper bits of each byte: the claim is a guess, "
    "measure "
    "it with 'qanat sources'";
constexpr std::array truerngpro_modes{
    DeviceMode{.name = "normal", .h = whitened_h, .note = whitened, .knock = knock_normal},
    DeviceMode{.name = "rng1", .h = whitened_h, .note = whitened, .knock = knock_rng1},
    DeviceMode{.name = "rng2", .h = whitened_h, .note = whitened, .knock = knock_rng2},
    DeviceMode{.name = "raw", .h = 1, .note = pro_raw, .knock = knock_raw}};
constexpr std::array truerngpro_v2_modes{
    truerngpro_modes[0], truerngpro_modes[1], truerngpro_modes[2], truerngpro_modes[3],
    DeviceMode{.name = "unwhitened",
               .h = 1,
               .note = "the difference of its two generators, unwhitened: the claim is a guess, "
                       "measure it with 'qanat sources'",
               .knock = knock_unwhitened}};

// Moonbase Otago. Identity: its firmware (github.com/OneRNG/firmware, cdc.c). Commands: onerng.sh
// and onerng.conf of its package (3.6): cmd0 to cmd7 choose the noise, cmdO starts, cmdo stops,
// cmdw empties the pool, cmd4 turns the noise off; it throws away the first 10 KiB. A sample is one
// bit of an avalanche diode, 5% more ones than zeros, "7 bits/byte" raw and 7.8 whitened by a CRC
// (moonbaseotago.com/onerng/theory.html); about 350 kbit/s (moonbaseotago.com/onerng). Half of 8.
constexpr std::array onerng_ids{UsbIdentity{0x1d50, 0x6086}};
constexpr std::array onerng_modes{
    DeviceMode{.name = "raw",
               .h = 4,
               .note = "raw avalanche noise; its maker measured 7 bits a byte",
               .begin = "cmd1\ncmdw\ncmdO\n"},
    DeviceMode{.name = "avalanche",
               .h = whitened_h,
               .note = "a CRC whitens its avalanche noise: mode=raw shows it to the health tests",
               .begin = "cmd0\ncmdw\ncmdO\n"},
    DeviceMode{.name = "both",
               .h = whitened_h,
               .note = "a CRC whitens its noises: mode=both-raw shows them to the health tests",
               .begin = "cmd2\ncmdw\ncmdO\n"},
    DeviceMode{.name = "both-raw",
               .h = 2,
               .note = "raw avalanche and radio noise; of the radio's nobody says how much it is",
               .begin = "cmd3\ncmdw\ncmdO\n"}};

// gniibe's, on the FST-01 and others. Identity and modes: gniibe.org, "How can I use NeuG
// standalone device on my Debian box?": the parity of the line is the mode. More than 80 kB/s
// (gniibe.org, "NeuG, a True Random Number Generator Implementation").
constexpr std::array neug_ids{UsbIdentity{0x234b, 0x0001}};
constexpr std::array neug_modes{
    DeviceMode{.name = "normal",
               .h = whitened_h,
               .note = "SHA-256 whitens it: mode=raw shows its noise to the health tests"},
    DeviceMode{.name = "crc",
               .h = 2,
               .note = "a CRC over samples of its ADC: the claim is a guess",
               .parity = Parity::odd},
    DeviceMode{.name = "raw",
               .h = 1,
               .note = "samples of its ADC: the claim is a guess, measure it with 'qanat sources'",
               .parity = Parity::even}};

// Of rngnet's author. No page that says more of it was found: neither identity nor speed. Its
// sender's statistics count 834 buffers of 512 bytes a minute, 7.1 kB/s, which takes 71,000 baud at
// 8N1: 57600 is too slow for it, and 115200 the next that lines have.
constexpr std::array fg_modes{
    DeviceMode{"normal", whitened_h,
               "nothing of it is published but its rate: see whether baud= and h= are right"}};

// The kernel's driver, drivers/usb/misc/chaoskey.c, has both, as /dev/hwrng and, each for itself,
// as /dev/chaoskeyN. Rates: OpenBSD's urng(4), 10 Mbit/s and 100 kbit/s; the Alea I and II have one
// identity there.
constexpr std::array chaoskey_ids{UsbIdentity{0x1d50, 0x60c6}};
constexpr std::array alea_ids{UsbIdentity{0x12d8, 0x0001}};
constexpr std::array chaoskey_modes{DeviceMode{"normal", whitened_h, whitened}};

// 13-37.org and Wayward Geek. Its chip is an FT240X, whose identity many have; sold ones differ in
// whether the product's name was written into it (tests/infnoise.bats of github.com/waywardgeek/
// infnoise has one without). 1209:3701 is that of its kernel driver. Raw, adjacent bits depend on
// each other: log2(1.82) = 0.86 bits a bit by design, 6.9 a byte (its README); 4 is a little more
// than half.
constexpr std::array infnoise_ids{UsbIdentity{0x0403, 0x6015, "Infinite Noise"},
                                  UsbIdentity{0x1209, 0x3701},
                                  UsbIdentity{0x0403, 0x6015, "FT240X USB FIFO"}};
// Identity: github.com/Thiagojm/py_bitbabbler, README. Its tool is packaged elsewhere (Ubuntu's
// bit-babbler), not in Debian 12; options: seedd(1).
constexpr std::array bitbabbler_ids{UsbIdentity{0x0403, 0x7840}};
// Identities: 80-swiftrng-usb-access.rules of github.com/tectrolabs/swiftrng; options: its swrng.c.
constexpr std::array swiftrng_ids{UsbIdentity{0x1fc9, 0x8110}, UsbIdentity{0x1fc9, 0x8111},
                                  UsbIdentity{0x3975, 0x0001}, UsbIdentity{0x3975, 0x0002},
                                  UsbIdentity{0x3975, 0x0003}, UsbIdentity{0x3975, 0x0004}};
// Identity: 60-ekeyd.rules of Debian's ekeyd.
constexpr std::array entropykey_ids{UsbIdentity{0x20df, 0x0001}};

constexpr std::array models{
    DeviceModel{.name = "truerng",
                .title = "TrueRNG",
                .ids = truerng_ids,
                .modes = truerng_modes,
                .rate = 43750},
    DeviceModel{.name = "truerng3",
                .title = "TrueRNG v3",
                .ids = truerng_ids,
                .modes = truerng_modes,
                .rate = 50000},
    DeviceModel{.name = "truerngpro",
                .title = "TrueRNGpro",
                .ids = truerngpro_ids,
                .modes = truerngpro_modes},
    DeviceModel{.name = "truerngprov2",
                .title = "TrueRNGpro V2",
                .ids = truerngpro_v2_ids,
                .modes = truerngpro_v2_modes},
    DeviceModel{.name = "onerng",
                .title = "OneRNG",
                .ids = onerng_ids,
                .modes = onerng_modes,
                .end = "cmdo\ncmd4\ncmdw\n",
                .skip = 10 << 10,
                .rate = 43750},
    DeviceModel{
        .name = "neug", .title = "NeuG", .ids = neug_ids, .modes = neug_modes, .rate = 80000},
    DeviceModel{.name = "fg",
                .title = "FG, of rngnet's author",
                .ids = {},
                .modes = fg_modes,
                .baud = 115200,
                .rate = 7100},
    DeviceModel{.name = "chaoskey",
                .title = "ChaosKey",
                .ids = chaoskey_ids,
                .modes = chaoskey_modes,
                .kernel_node = "chaoskey",
                .rate = 1250000},
    DeviceModel{.name = "alea",
                .title = "Araneus Alea",
                .ids = alea_ids,
                .modes = chaoskey_modes,
                .kernel_node = "chaoskey",
                .rate = 12500},
    DeviceModel{.name = "infnoise",
                .title = "Infinite Noise",
                .ids = infnoise_ids,
                .instead = "exec:infnoise --raw?h=4",
                .why_instead = "its own tool reads it (package infnoise); stop infnoise.service, "
                               "which holds it",
                .rate = 37500},
    DeviceModel{.name = "bitbabbler",
                .title = "BitBabbler",
                .ids = bitbabbler_ids,
                .instead = "exec:seedd -o -c none?h=4",
                .why_instead = "its own tool reads it (package bit-babbler, which Debian 12 has "
                               "not)"},
    DeviceModel{.name = "swiftrng",
                .title = "SwiftRNG",
                .ids = swiftrng_ids,
                .instead = "exec:swrng -dd -fn STDOUT?h=4",
                .why_instead = "it answers questions alone, which its own tool asks "
                               "(github.com/tectrolabs/swiftrng)"},
    DeviceModel{.name = "entropykey",
                .title = "EntropyKey",
                .ids = entropykey_ids,
                .instead = "entropykey:",
                .why_instead = "its bytes are encrypted with its key"}};

}  // namespace

std::span<const DeviceModel> device_models() { return models; }

const DeviceModel* find_model(std::string_view name) {
  const auto* const found = std::find_if(
      models.begin(), models.end(), [&](const DeviceModel& model) { return model.name == name; });
  return found == models.end() ? nullptr : found;
}

std::string preset_names() {
  std::string names;
  for (const DeviceModel& model : models) {
    if (model.modes.empty()) continue;
    if (!names.empty()) names += ", ";
    names += model.name;
  }
  return names;
}

const DeviceModel* model_of(std::uint16_t vendor, std::uint16_t product,
                            std::string_view product_name) {
  for (const DeviceModel& model : models) {
    for (const UsbIdentity& id : model.ids) {
      if (id.vendor == vendor && id.product == product &&
          product_name.find(id.name) != std::string_view::npos) {
        return &model;
      }
    }
  }
  return nullptr;
}

const DeviceMode* find_mode(const DeviceModel& model, std::string_view name) {
  for (const DeviceMode& mode : model.modes) {
    if (name.empty() || mode.name == name) return &mode;
  }
  return nullptr;
}

std::string mode_names(const DeviceModel& model) {
  std::string names;
  for (const DeviceMode& mode : model.modes) {
    if (!names.empty()) names += ", ";
    names += mode.name;
  }
  return names;
}

std::string source_line(const DeviceModel& model, const std::string& path) {
  if (!model.modes.empty()) return fmt::format("device:{}?model={}", path, model.name);
  return std::string(model.instead) + (model.instead.ends_with(':') ? path : "");
}

}  // namespace qanat::sources
