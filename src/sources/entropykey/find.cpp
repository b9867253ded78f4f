#include "sources/entropykey/find.h"

#include <algorithm>
#include <filesystem>

#include "sources/device/usb.h"

namespace qanat::sources {

std::vector<PluggedKey> find_entropykeys(const std::string& ttys) {
  std::vector<PluggedKey> found;
  std::error_code none;
  for (std::filesystem::directory_iterator at(ttys, none), end; at != end; at.increment(none)) {
    const std::filesystem::path line = at->path();
    const auto device = find_usb_device(line / "device");
    if (!device || device->id() != "20df:0001") continue;
    found.push_back({"/dev/" + line.filename().string(), device->serial});
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return found;
}

}  // namespace qanat::sources
