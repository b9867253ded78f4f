// A seed for a machine that is about to be created, in the form in which its firmware, its kernel
// or its first programs take one. docs/virtual-machines.md says how each is used.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace qanat::wire {

enum class GuestFormat {
  file,         // the bytes: a file in an image (systemd-random-seed(8), or our own source `seed:`)
  fw_cfg,       // the bytes: QEMU's -fw_cfg name=opt/org.qanat/seed,file=
  device_tree,  // an overlay for /chosen/rng-seed, as dtc(1) reads it
  cloud_init,   // the module random_seed of cloud-init, as user data
  systemd,      // a system credential as an SMBIOS string (systemd.system-credentials(7))
};

struct GuestFormatInfo {
  GuestFormat format;
  std::string_view name;     // as on the command line
  std::string_view summary;  // what takes it
  bool text;                 // may be shown on a terminal
};
const std::vector<GuestFormatInfo>& guest_formats();
// nullptr for a name that is none.
const GuestFormatInfo* find_guest_format(std::string_view name);

// `seed` in that form, in secret memory. Any size from 1.
SecretBytes encode_guest_seed(GuestFormat format, Bytes seed);

// The credential's name: `systemd-creds --system cat qanat.seed`.
inline constexpr std::string_view guest_credential = "qanat.seed";

}  // namespace qanat::wire
