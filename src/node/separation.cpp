#include "node/separation.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "base/log.h"
#include "base/quantity.h"
#include "outlets/registry.h"
#include "sources/entropykey/keyring.h"
#include "sources/registry.h"
#include "wire/join_string.h"

namespace qanat::node {
namespace {

// Below it a port takes CAP_NET_BIND_SERVICE.
constexpr unsigned first_free_port = 1024;

// What the names of sources and outlets name.
struct Named {
  monitor::Grants grants;
  std::vector<std::string> directories;
  std::vector<std::string> groups;
  bool foreign_library = false;

  void read(const std::string& path) {
    if (!path.empty()) grants.readable.push_back(path);
  }
  // Any option may be a file's name: which are is for its type to know.
  void read_options(const std::string& text) {
    const auto spec = spec::parse_spec(text);
    if (!spec) return;
    for (const auto& [key, value] : spec->options) {
      if (key == "group") groups.push_back(value);
      if (value.find('/') != std::string::npos || ::access(value.c_str(), F_OK) == 0) read(value);
    }
  }

  void add_source(const std::string& text) {
    if (wire::looks_like_join_string(text)) return;
    read_options(text);
    sources::SourcePlan plan = sources::plan_source(text);
    for (std::string* path : {&plan.path, &plan.other_path}) {
      if (!path->empty()) grants.writable.push_back(std::move(*path));
    }
    if (!plan.command.empty()) grants.commands.push_back(std::move(plan.command));
    for (const std::string& path : plan.reads) read(path);
    foreign_library = foreign_library || plan.foreign_library;
  }

  void add_outlet(const std::string& text) {
    read_options(text);
    const outlets::OutletPlan plan = outlets::plan_outlet(text);
    for (const std::string& path : plan.reads) read(path);
    if (!plan.path.empty()) {
      directories.push_back(directory_of(plan.path));
      grants.writable.push_back(plan.path);
    }
    const auto colon = plan.place.rfind(':');
    if (!plan.place.starts_with("tcp ") && !plan.place.starts_with("udp ")) return;
    const auto port = parse_number<std::uint16_t>(plan.place.substr(colon + 1));
    if (port && *port > 0 && *port < first_free_port) grants.ports.push_back(*port);
  }
};

Named named_by(const NodeSettings& settings) {
  Named named;
  for (const std::string& text : settings.config.sources) named.add_source(text);
  if (settings.feed) {
    for (const std::string& text : settings.feed->upstreams) named.add_source(text);
  }
  for (const std::string& text : settings.config.outlets) named.add_outlet(text);
  auto& commands = named.grants.commands;
  const auto& after_reseed = settings.config.on_reseed;
  commands.insert(commands.end(), after_reseed.begin(), after_reseed.end());
  for (const observe::AlarmRule& rule : settings.config.alarms) {
    if (!rule.command.empty()) commands.push_back(rule.command);
    if (rule.ca) named.read(*rule.ca);
  }
  named.read(sources::usual_keyring);
  return named;
}

// Those of sources that look for what is plugged in, and of xenstored in a guest.
constexpr std::array looked_for{"/dev/hwrng", "/dev/tpmrm0", "/dev/tpm0", "/dev/xen/xenbus",
                                "/dev/vmclock0"};

machine::Confinement confinement_of(const NodeSettings& settings, const Named& named,
                                    const std::string& config_path) {
  machine::Confinement confinement{.account = {},
                                   .groups = named.groups,
                                   .readable = named.grants.readable,
                                   .writable = named.grants.writable,
                                   .directories = named.directories,
                                   .foreign_libraries = named.foreign_library};
  confinement.writable.insert(confinement.writable.end(), looked_for.begin(), looked_for.end());
  confinement.directories.push_back(settings.state_path);
  // So that one which is deleted can be made again; where that is a place for such things, and not
  // the system's (/var/lib) or somebody's home, in which there is more.
  const std::filesystem::path parent = directory_of(settings.state_path);
  constexpr std::ptrdiff_t least_depth = 4;  // with the root
  if (std::distance(parent.begin(), parent.end()) >= least_depth) {
    confinement.directories.push_back(parent);
  }
  if (!settings.generation_path.empty()) {
    confinement.directories.push_back(directory_of(settings.generation_path));
  }
  // The directory: an editor puts another file in place of this one.
  if (!config_path.empty()) confinement.readable.push_back(directory_of(config_path));
  return confinement;
}

bool may_write(const machine::Account& account, const std::string& directory) {
  struct stat info {};
  if (::stat(directory.c_str(), &info) != 0) return false;
  const mode_t bit = info.st_uid == account.user    ? S_IWUSR
                     : info.st_gid == account.group ? S_IWGRP
                                                    : S_IWOTH;
  return (info.st_mode & bit) != 0;
}

// What this process, root's, made there is the account's from now on. Links are not followed.
void give_to(const machine::Account& account, const std::string& directory) {
  const auto give_one = [&](const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0 || info.st_uid != 0) return;
    if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode) || S_ISSOCK(info.st_mode)) {
      (void)!::lchown(path.c_str(), account.user, account.group);
    }
  };
  give_one(directory);
  std::error_code problem;
  using Walk = std::filesystem::recursive_directory_iterator;
  for (Walk at(directory, problem), end; !problem && at != end; at.increment(problem)) {
    give_one(at->path());
  }
}

bool is_owner(const machine::Account& account, const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && info.st_uid == account.user;
}

// Why the account cannot be the node's; empty when it can.
std::string why_unfit(const machine::Account& account, const NodeSettings& settings,
                      const std::vector<std::string>& directories) {
  // The directory itself is given to it, where it is root's.
  const machine::Account root{"root", 0, 0};
  const std::string& state = settings.state_path;
  if (!machine::reaches(account, state) || !(is_owner(root, state) || is_owner(account, state))) {
    return fmt::format("the account '{}' cannot reach {}", account.name, state);
  }
  for (const std::string& directory : directories) {
    if (directory == settings.state_path) continue;
    if (!machine::reaches(account, directory + "/x") || !may_write(account, directory)) {
      return fmt::format("the account '{}' cannot write to {}", account.name, directory);
    }
  }
  return "";
}

}  // namespace

monitor::Grants grants_of(const NodeSettings& settings) { return named_by(settings).grants; }

Separation::Separation(const NodeSettings& settings, Around around) {
  Named named = named_by(settings);
  if (!around.config_path.empty()) named.read(around.config_path);
  machine::Confinement confinement = confinement_of(settings, named, around.config_path);
  for (const std::string& directory : named.directories) make_directory_of(directory + "/x");
  if (!settings.generation_path.empty()) make_directory_of(settings.generation_path);
  const auto account = machine::may_change_account() ? machine::find_account(around.account)
                                                     : std::optional<machine::Account>();
  // Where the directory cannot be made, the node says so, and goes on without.
  if (!account || !is_owner(*account, settings.state_path)) {
    (void)StateDir(settings.state_path).prepare();
  }
  if (account) {
    why_not_account_ = why_unfit(*account, settings, named.directories);
  } else if (machine::may_change_account()) {
    why_not_account_ = fmt::format("there is no account '{}'", around.account);
  }
  if (account && why_not_account_.empty()) {
    give_to(*account, settings.state_path);
    if (!settings.generation_path.empty()) {
      give_to(*account, directory_of(settings.generation_path));
    }
    confinement.account = account;
  }
  auto reread = [make = std::move(around.reread), path = around.config_path,
                 unchanged = named.grants] {
    if (!make) return unchanged;
    monitor::Grants grants = grants_of(make());
    grants.readable.push_back(path);
    return grants;
  };
  link_ = MonitorLink::start(named.grants, std::move(reread));
  confined_ = machine::confine(confinement);
  set_powers(link_.get());
}

std::string Separation::text() const {
  std::string text = fmt::format("this process is {} without capabilities", confined_.user);
  if (!why_not_account_.empty()) text += fmt::format(" ({})", why_not_account_);
  text += confined_.seccomp ? ", in a seccomp filter" : "";
  text += confined_.landlock > 0 ? " and Landlock" : "";
  if (!confined_.why_not.empty()) text += fmt::format(" ({})", confined_.why_not);
  return text +
         fmt::format("; what takes power is asked of its monitor, process {}", link_->process());
}

}  // namespace qanat::node
