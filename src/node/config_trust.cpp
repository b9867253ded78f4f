#include "node/config_trust.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "node/config_path.h"

namespace qanat::node {
namespace {

namespace fs = std::filesystem;

// A name that leads to a file, as it is written and with the links of its directories resolved;
// then the same of what it is a link to, and so on. Whoever can change one of them changes the
// file.
std::vector<fs::path> names_on_the_way(const std::string& file) {
  constexpr int most_links = 40;
  std::error_code problem;
  std::vector<fs::path> names;
  fs::path name = fs::absolute(file, problem).lexically_normal();
  for (int links = 0; links < most_links; ++links) {
    names.push_back(name);
    names.push_back(fs::weakly_canonical(name.parent_path(), problem) / name.filename());
    const fs::path target = fs::read_symlink(names.back(), problem);
    if (problem) break;
    name = (names.back().parent_path() / target).lexically_normal();
  }
  return names;
}

bool is_beneath(const fs::path& name, const std::string& directory) {
  std::error_code problem;
  for (const fs::path& top : {fs::absolute(directory, problem).lexically_normal(),
                              fs::weakly_canonical(directory, problem)}) {
    const fs::path way = name.lexically_relative(top);
    if (!way.empty() && *way.begin() != "..") return true;
  }
  return false;
}

// By rights of its account: there may be no Landlock.
std::string place_by_rights(const fs::path& name, const machine::Account& account) {
  if (machine::may_write(account, name.string())) return name.parent_path().string();
  for (fs::path at = name.parent_path(); at.has_relative_path(); at = at.parent_path()) {
    struct stat info {};
    const bool sticky = ::stat(at.c_str(), &info) == 0 && (info.st_mode & S_ISVTX) != 0;
    if (!sticky && machine::may_write(account, at.string())) return at.string();
  }
  return "";
}

// Where the node could change one of them; empty: nowhere.
std::string place_to_write(const std::vector<fs::path>& names,
                           const machine::Confinement& confinement) {
  for (const fs::path& name : names) {
    for (const std::string& directory : confinement.directories) {
      if (is_beneath(name, directory)) return directory;
    }
    if (!confinement.account) continue;
    if (std::string place = place_by_rights(name, *confinement.account); !place.empty()) {
      return place;
    }
  }
  return "";
}

}  // namespace

std::string doubts_of_config(const std::string& file, const machine::Confinement& confinement,
                             const std::string& state) {
  if (file.empty() || ::geteuid() != 0) return "";
  const std::vector<fs::path> names = names_on_the_way(file);
  const bool in_state = std::any_of(names.begin(), names.end(),
                                    [&](const fs::path& name) { return is_beneath(name, state); });
  const std::string place = in_state ? state : place_to_write(names, confinement);
  if (place.empty()) return "";
  const std::string what =
      fmt::format("the node itself could write its configuration, as {} is in {}", file, place);
  const std::string remedy =
      fmt::format("keep it where root alone can write, such as {}", default_config_path());
  if (in_state) throw Failure(fmt::format("{}, and root would run what it says; {}", what, remedy));
  return fmt::format(
      "{}: a reload brings no commands, devices or ports that were not named before; {}", what,
      remedy);
}

}  // namespace qanat::node
