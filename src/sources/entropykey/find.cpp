#include "sources/entropykey/find.h"

#include <algorithm>
#include <filesystem>

#include "base/files.h"

namespace qanat::sources {
namespace {

std::string read_word(const std::filesystem::path& file) {
  std::string word = read_file(file.string(), 256).value_or("");
  while (word.ends_with('\n')) word.pop_back();
  return word;
}

}  // namespace

std::vector<PluggedKey> find_entropykeys(const std::string& ttys) {
  std::vector<PluggedKey> found;
  std::error_code none;
  for (std::filesystem::directory_iterator at(ttys, none), end; at != end; at.increment(none)) {
    const std::filesystem::path line = at->path();
    // It belongs to an interface, and that to the device; most are none of USB's.
    std::error_code other;
    const auto device = std::filesystem::canonical(line / "device", other).parent_path();
    if (other) continue;
    if (read_word(device / "idVendor") != "20df" || read_word(device / "idProduct") != "0001") {
      continue;
    }
    found.push_back({"/dev/" + line.filename().string(), read_word(device / "serial")});
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return found;
}

}  // namespace qanat::sources
