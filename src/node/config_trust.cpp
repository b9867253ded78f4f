#include "node/config_trust.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/trusted_path.h"
#include "node/config_path.h"

namespace qanat::node {
namespace {

// A directory, by which device and number it has: whatever it is called on the way.
struct Directory {
  std::string name;
  struct stat info {};
};

std::vector<Directory> directories_of(const machine::Confinement& confinement) {
  std::vector<Directory> all;
  for (const std::string& name : confinement.directories) {
    Directory directory{name, {}};
    if (::stat(name.c_str(), &directory.info) == 0) all.push_back(directory);
  }
  return all;
}

bool is_same(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

struct Doubts {
  std::set<std::string> places;  // directories on the way that the node may write to
  std::string not_ours;          // who else may change it
};

Doubts look(const std::string& file, const machine::Confinement& confinement) {
  Doubts doubts;
  const std::vector<Directory> directories = directories_of(confinement);
  const auto walked = walk_path(file, [&](const PathStep& step) -> Result<void> {
    for (const Directory& directory : directories) {
      if (is_same(step.info, directory.info)) doubts.places.insert(directory.name);
    }
    if (doubts.not_ours.empty()) doubts.not_ours = who_else_may_change(step);
    // An account with capabilities, whose own node is without: it is not the monitor's equal.
    if (doubts.not_ours.empty() && ::geteuid() != 0 && step.info.st_uid != 0) {
      doubts.not_ours = fmt::format("{} belongs to {}", step.path, account_name(step.info.st_uid));
    }
    // Root's own file by another name, for a node that is root without capabilities.
    const bool another_name =
        step.last && S_ISREG(step.info.st_mode) && step.info.st_nlink > 1 && !step.read_only;
    if (another_name && !confinement.account && doubts.not_ours.empty()) {
      doubts.not_ours = step.path + " has other names (hard links)";
    }
    return {};
  });
  if (!walked && doubts.not_ours.empty()) doubts.not_ours = walked.error().message;
  return doubts;
}

// Standard input, say: it has no name, and nobody can put another in its place.
bool is_pipe_without_name(const std::string& file) {
  const UniqueFd fd(::open(file.c_str(), O_PATH | O_CLOEXEC));
  struct statfs info {};
  return fd && ::fstatfs(fd.get(), &info) == 0 && info.f_type == PIPEFS_MAGIC;
}

}  // namespace

std::string doubts_of_config(const std::string& file, const machine::Confinement& confinement,
                             const std::string& state, bool grants) {
  if (file.empty() || is_pipe_without_name(file)) return "";
  const bool powers = machine::has_powers();
  Doubts doubts = look(file, confinement);
  // Whoever runs without powers may let his friends write his configuration.
  if (!powers) doubts.not_ours.clear();
  // Of all that it may write to.
  const bool in_state = doubts.places.contains(state);
  const std::string place = in_state ? state : doubts.places.empty() ? "" : *doubts.places.begin();
  if (place.empty() && doubts.not_ours.empty()) return "";
  const std::string what =
      place.empty() ? fmt::format("others than root could write its configuration {}, as {}", file,
                                  doubts.not_ours)
                    : fmt::format("the node itself could write its configuration, as {} is in {}",
                                  file, place);
  const std::string remedy =
      powers ? fmt::format("keep it where root alone can write, such as {}", default_config_path())
             : "keep it where the node does not write";
  const bool accounts = powers && confinement.account && !doubts.not_ours.empty() && grants;
  if ((powers && in_state) || accounts) {
    throw Failure(fmt::format("{}, and root would run what it says; {}", what, remedy));
  }
  return fmt::format(
      "{}: a reload brings no commands, devices or ports that were not named before; {}", what,
      remedy);
}

}  // namespace qanat::node
