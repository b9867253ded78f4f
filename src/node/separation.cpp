#include "node/separation.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "base/log.h"
#include "base/quantity.h"
#include "base/trusted_path.h"
#include "node/config_trust.h"
#include "outlets/registry.h"
#include "sources/registry.h"
#include "wire/join_string.h"

namespace qanat::node {
namespace {

// Below it a port takes CAP_NET_BIND_SERVICE.
constexpr unsigned first_free_port = 1024;

bool is_file(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

// What may be read there: not all that is below a directory.
bool is_there(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode);
}

// What the names of sources and outlets name.
struct Named {
  monitor::Grants grants;
  std::vector<std::string> directories;  // for files
  std::vector<std::string> sockets;      // directories, for sockets and FIFOs
  std::vector<std::string> groups;
  bool foreign_library = false;

  bool grants_anything() const {
    return !grants.commands.empty() || !grants.readable.empty() || !grants.writable.empty() ||
           !grants.ports.empty();
  }
  void read(const std::string& path) {
    if (!path.empty()) grants.readable.push_back(path);
  }
  // A device may not be there yet; a file is read and no more.
  void open(const std::string& path) {
    if (path.empty()) return;
    (is_file(path) ? grants.readable : grants.writable).push_back(path);
  }
  // Any option may be a file's name: which are is for its type to know.
  void read_options(const std::string& text) {
    const auto spec = spec::parse_spec(text);
    if (!spec) return;
    for (const auto& [key, value] : spec->options) {
      if (key == "group") groups.push_back(value);
      if (is_there(value)) read(value);
    }
  }

  void add_source(const std::string& text) {
    if (wire::looks_like_join_string(text)) return;
    read_options(text);
    const sources::SourcePlan plan = sources::plan_source(text);
    open(plan.path);
    open(plan.other_path);
    if (!plan.command.empty()) grants.commands.push_back(plan.command);
    for (const std::string& path : plan.reads) read(path);
    foreign_library = foreign_library || plan.foreign_library;
  }

  void add_outlet(const std::string& text) {
    read_options(text);
    const outlets::OutletPlan plan = outlets::plan_outlet(text);
    for (const std::string& path : plan.reads) read(path);
    if (!plan.path.empty()) {
      (plan.replaces_file ? directories : sockets).push_back(directory_of(plan.path));
      open(plan.path);
    }
    // "tcp 127.0.0.1:80", "vsock port 774".
    const std::string& place = plan.place;
    const bool vsock = place.starts_with("vsock port ");
    if (!vsock && !place.starts_with("tcp ") && !place.starts_with("udp ")) return;
    const auto port = parse_number<std::uint16_t>(place.substr(place.rfind(vsock ? ' ' : ':') + 1));
    if (port && *port > 0 && *port < first_free_port) grants.ports.push_back(*port);
  }

  std::vector<std::string> made_in() const {
    std::vector<std::string> all = directories;
    all.insert(all.end(), sockets.begin(), sockets.end());
    return all;
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
  confinement.sockets = named.sockets;
  confinement.directories.push_back(settings.state_path);
  if (!settings.generation_path.empty()) {
    confinement.directories.push_back(directory_of(settings.generation_path));
  }
  if (!config_path.empty()) confinement.readable.push_back(config_path);
  // What lies in a place for temporary things may be swept away, and is made again there.
  const std::string parent = directory_of(settings.state_path);
  const bool temporary = parent.starts_with("/tmp/") || parent.starts_with("/var/tmp/");
  if (temporary && !config_path.starts_with(parent + "/")) {
    confinement.directories.push_back(parent);
  }
  return confinement;
}

// What this process, root's, keeps at this place is the account's from now on: a directory, and in
// it what we know by its name and root alone has a name for. Links are not followed.
void give(int directory, const char* name, const machine::Account& account) {
  const UniqueFd at(::openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!at || ::fstat(at.get(), &info) != 0 || info.st_uid != 0) return;
  const bool ours = S_ISDIR(info.st_mode) || S_ISSOCK(info.st_mode) ||
                    (S_ISREG(info.st_mode) && info.st_nlink == 1);
  if (ours) (void)!::fchownat(at.get(), "", account.user, account.group, AT_EMPTY_PATH);
}

void give_directory(const std::string& path, const std::vector<std::string>& names,
                    const machine::Account& account) {
  const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return;
  for (const std::string& name : names) give(directory.get(), name.c_str(), account);
  give(directory.get(), ".", account);
}

std::string absolute(const std::string& path) {
  return path.empty() ? "" : std::filesystem::absolute(path).string();
}

bool is_owner(const machine::Account& account, const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && info.st_uid == account.user;
}

// Why the account cannot be the node's; empty when it can.
std::string why_unfit(const machine::Account& account, const NodeSettings& settings,
                      const std::vector<std::string>& directories) {
  if (!machine::can_become(account)) {
    return fmt::format("this process may not become '{}'", account.name);
  }
  // The directory itself is given to it, where it is root's, and a node's.
  const machine::Account root{"root", 0, 0};
  const std::string& state = settings.state_path;
  if (!machine::reaches(account, state)) {
    return fmt::format("the account '{}' cannot reach {}", account.name, state);
  }
  const bool to_give =
      !StateDir(state).exists() || (is_owner(root, state) && StateDir(state).is_a_nodes());
  if (!to_give && !is_owner(account, state)) {
    return fmt::format("{} is not a node's alone, to be given to '{}'", state, account.name);
  }
  for (const std::string& directory : directories) {
    if (directory == settings.state_path || ::access(directory.c_str(), F_OK) != 0) continue;
    if (!machine::reaches(account, directory + "/x") || !machine::may_write(account, directory)) {
      return fmt::format("the account '{}' cannot write to {}", account.name, directory);
    }
  }
  return "";
}

// Whose the node is.
struct Owner {
  std::optional<machine::Account> account;  // that it becomes
  std::string why_not;                      // root's stays root's; empty: it does not
};

// Whose a node of root's may be. A name service may be asked, which takes its time: once.
std::optional<machine::Account> account_of_node(const std::string& name) {
  return ::geteuid() == 0 ? machine::find_account(name) : std::nullopt;
}

// `account`: account_of_node(name). Directories that are still to be made stand in nobody's way.
Owner owner_of(const NodeSettings& settings, const Named& named, const std::string& name,
               const std::optional<machine::Account>& account) {
  if (::geteuid() != 0) return {};
  if (!account) return {std::nullopt, fmt::format("there is no account '{}'", name)};
  const std::string why_not = why_unfit(*account, settings, named.made_in());
  if (why_not.empty()) {
    const StateDir state(settings.state_path);
    if (auto safe = state.check_above(account->user); !safe) throw Failure(safe.error().message);
    return {account, ""};
  }
  if (is_owner(*account, settings.state_path)) {
    throw Failure(
        fmt::format("the state directory {} belongs to '{}', and this node cannot run as "
                    "that: {}; mend that, or give another --state DIR",
                    settings.state_path, name, why_not));
  }
  return {std::nullopt, why_not};
}

}  // namespace

monitor::Grants grants_of(const NodeSettings& settings) { return named_by(settings).grants; }

std::string doubts_of_start(const NodeSettings& settings, const std::string& config_path) {
  const Named named = named_by(settings);
  const std::string config = absolute(config_path);
  machine::Confinement confinement = confinement_of(settings, named, config);
  const auto account = account_of_node(machine::usual_account);
  confinement.account = owner_of(settings, named, machine::usual_account, account).account;
  return doubts_of_config(config, confinement, settings.state_path, named.grants_anything());
}

Separation::Separation(const NodeSettings& settings, Around around) {
  Named named = named_by(settings);
  const bool named_any = named.grants_anything();
  if (!around.config_path.empty()) named.read(around.config_path);
  const std::string config = absolute(around.config_path);
  machine::Confinement confinement = confinement_of(settings, named, config);
  for (const std::string& directory : named.made_in()) make_directory_of(directory + "/x");
  if (!settings.generation_path.empty()) make_directory_of(settings.generation_path);
  const StateDir state(settings.state_path);
  const auto account = account_of_node(around.account);
  const bool is_accounts = account && is_owner(*account, settings.state_path);
  // Where the directory cannot be made, the node says so, and goes on without.
  if (!is_accounts) (void)state.prepare();
  const Owner owner = owner_of(settings, named, around.account, account);
  why_not_account_ = owner.why_not;
  confinement.account = owner.account;
  if (owner.account) {
    if (!is_accounts) give_directory(settings.state_path, state.names(), *owner.account);
    if (!settings.generation_path.empty()) {
      give_directory(directory_of(settings.generation_path),
                     {std::string(name_of(settings.generation_path))}, *owner.account);
    }
  }
  warning_ = doubts_of_config(config, confinement, settings.state_path, named_any);
  auto reread = [make = std::move(around.reread), path = around.config_path,
                 trusted = warning_.empty(), unchanged = named.grants, confinement,
                 state = settings.state_path] {
    // Decided at the start: between a look at a file that the node can change and reading it, it
    // changes.
    if (!make || !trusted) return unchanged;
    // A FIFO is read once, and not by the monitor: it would wait for a writer. What is missing may
    // be put there by others, where all may write (/tmp), between a look and the reading.
    if (!is_file(path)) return unchanged;
    // Root may have put a link there since.
    if (!doubts_of_config(path, confinement, state, false).empty()) return unchanged;
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
