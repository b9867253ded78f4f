#include "node/config_path.h"

#include <filesystem>
#include <system_error>

namespace qanat::node {
namespace {

namespace fs = std::filesystem;

// As they were given to cmake: relative to the prefix, which `cmake --install --prefix` may change
// after the program was built, or absolute.
constexpr const char* bin_dir = QANAT_BINDIR;

// Empty where it is not installed: a program that runs where it was built.
fs::path prefix_of(const fs::path& program) {
  const fs::path folder = program.parent_path();
  if (fs::path(bin_dir).is_absolute()) return {};
  const std::string inside = "/" + std::string(bin_dir);
  const std::string text = folder.string();
  if (!text.ends_with(inside)) return {};
  return text.substr(0, text.size() - inside.size());
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

std::string config_path_of(const std::string& program, const std::string& etc,
                           const std::string& installed) {
  const fs::path file = fs::path("qanat") / "qanat.toml";
  if (fs::path(installed).is_absolute()) return installed / file;
  const fs::path usual = etc / file;
  const fs::path prefix = prefix_of(program);
  if (prefix.empty() || prefix == "/usr") return usual;
  const fs::path own = prefix / installed / file;
  return is_there(usual) && !is_there(own) ? usual : own;
}

const char* default_config_path() {
  static const std::string path = [] {
    std::error_code ignored;
    return config_path_of(fs::read_symlink("/proc/self/exe", ignored), "/etc", QANAT_SYSCONFDIR);
  }();
  return path.c_str();
}

}  // namespace qanat::node
