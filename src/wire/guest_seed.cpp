#include "wire/guest_seed.h"

#include <fmt/core.h>

#include <algorithm>

namespace qanat::wire {
namespace {

// Text whose middle is secret: wiped once it has been copied.
SecretBytes secret_text(std::string_view before, std::string& secret, std::string_view after) {
  SecretBytes out(before.size() + secret.size() + after.size());
  auto at = out.view().begin();
  for (const std::string_view part : {before, std::string_view(secret), after}) {
    at = std::copy(part.begin(), part.end(), at);
  }
  wipe(MutableBytes(reinterpret_cast<std::uint8_t*>(secret.data()), secret.size()));
  return out;
}

// "01 23 ...", as dtc(1) takes bytes.
std::string spaced_hex(Bytes bytes) {
  std::string text;
  text.reserve(3 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    if (!text.empty()) text += ' ';
    text += fmt::format("{:02x}", byte);
  }
  return text;
}

}  // namespace

const std::vector<GuestFormatInfo>& guest_formats() {
  static const std::vector<GuestFormatInfo> formats{
      {GuestFormat::fw_cfg, "fw_cfg", "QEMU: -fw_cfg name=opt/org.qanat/seed,file=FILE", false},
      {GuestFormat::device_tree, "device-tree",
       "an overlay with /chosen/rng-seed, for dtc and fdtoverlay", true},
      {GuestFormat::cloud_init, "cloud-init", "user data for cloud-init's random_seed", true},
      {GuestFormat::systemd, "systemd", "a system credential: QEMU -smbios type=11,path=FILE",
       true},
      {GuestFormat::file, "file", "the bytes, for a file in the image", false},
  };
  return formats;
}

const GuestFormatInfo* find_guest_format(std::string_view name) {
  const auto& all = guest_formats();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& info) { return info.name == name; });
  return found == all.end() ? nullptr : &*found;
}

SecretBytes encode_guest_seed(GuestFormat format, Bytes seed) {
  std::string secret;
  switch (format) {
    case GuestFormat::file:
    case GuestFormat::fw_cfg:
      return SecretBytes(seed);
    case GuestFormat::device_tree:
      secret = spaced_hex(seed);
      return secret_text("/dts-v1/;\n/plugin/;\n\n&{/chosen} {\n\trng-seed = [", secret,
                         "];\n};\n");
    case GuestFormat::cloud_init:
      secret = to_base64(seed);
      return secret_text(
          "#cloud-config\nrandom_seed:\n  file: /dev/urandom\n  encoding: base64\n  data: ", secret,
          "\n");
    case GuestFormat::systemd:
      secret = to_base64(seed);
      return secret_text(fmt::format("io.systemd.credential.binary:{}=", guest_credential), secret,
                         "");
  }
  return {};
}

}  // namespace qanat::wire
