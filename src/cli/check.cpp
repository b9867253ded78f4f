#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "base/quantity.h"
#include "base/shown.h"
#include "cli/command.h"
#include "node/config.h"
#include "node/config_path.h"
#include "outlets/registry.h"
#include "sources/registry.h"
#include "wire/join_string.h"

namespace qanat::cli {
namespace {

// Whoever reads a join string draws as that client, and whoever reads a PIN has the token.
bool holds_secret(const std::string& text) {
  return wire::looks_like_join_string(text) || text.find("pin-value=") != std::string::npos;
}

void warn_of_secrets(const node::Config& config, const std::string& path) {
  const bool any = std::any_of(config.sources.begin(), config.sources.end(), holds_secret);
  struct stat info {};
  if (!any || ::stat(path.c_str(), &info) != 0 || (info.st_mode & 077U) == 0) return;
  fmt::print(
      "warning: {} holds a join string or a PIN, and others can read it (mode {:04o}): chmod 600 "
      "{}\n",
      path, info.st_mode & 07777U, path);
}

int check(const std::string& option) {
  const bool named = !option.empty();
  const bool usual = !named && ::access(node::default_config_path(), F_OK) == 0;
  node::Config config;
  if (named || usual) config = node::load_config(named ? option : node::default_config_path());
  node::check_config(config);
  fmt::print("{}: valid\n", named   ? option
                            : usual ? node::default_config_path()
                                    : "no configuration file: the defaults");
  if (named || usual) warn_of_secrets(config, named ? option : node::default_config_path());
  if (config.sources.empty()) config.sources = sources::default_sources();
  if (config.outlets.empty()) config.outlets = outlets::default_outlets();
  fmt::print("\nThreads {}, reserve {}, DRBG reseeded every {} or {}\n\nSources\n", config.threads,
             format_size(static_cast<double>(config.reserve_bytes)),
             format_duration(config.reseed.interval),
             format_size(static_cast<double>(config.reseed.bytes)));
  std::map<sources::Origin, std::string> seen;
  for (const std::string& text : config.sources) {
    auto source = sources::describe_source(text);
    const bool counted = source.credit && !source.insist;
    const auto origin = counted ? sources::origin_of_source(text) : std::nullopt;
    if (origin) {
      const auto [first, fresh] = seen.emplace(*origin, text);
      if (!fresh) {
        source.credit = false;
        source.note = "it is the same as " + first->second + ", and is counted there";
      }
    }
    fmt::print("  {:<30} {}\n", escaped(source.name),
               source.credit ? fmt::format("credited {} a byte", format_bits(source.h))
                             : "mixed in, credited 0");
    if (const std::string absence = sources::absence_of_source(text); !absence.empty()) {
      fmt::print("    not there now: {}; it is looked for\n", absence);
    }
    if (!source.note.empty()) fmt::print("    note: {}\n", source.note);
  }
  if (config.quorum > 1) {
    fmt::print("  upstreams are credited only for what {} of them, with different keys, gave\n",
               config.quorum);
  }
  fmt::print("\nOutlets\n");
  for (const std::string& text : config.outlets) {
    const auto outlet = outlets::plan_outlet(text);
    fmt::print("  {:<30} {}\n", escaped(text), outlet.note);
  }
  for (const std::string& warning : node::config_warnings(config)) {
    fmt::print("    warning: {}\n", warning);
  }
  if (!config.on_reseed.empty()) fmt::print("\nWhen this machine may be a copy\n");
  for (const std::string& command : config.on_reseed) fmt::print("  {}\n", command);
  if (!config.alarms.empty()) fmt::print("\nAlarms\n");
  for (const observe::AlarmRule& rule : config.alarms) {
    std::string kinds;
    for (const EventKind kind : rule.on) kinds += fmt::format(" {}", to_string(kind));
    fmt::print("  {:<30} on{}\n", escaped(rule.name()),
               rule.on == observe::usual_alarms() ? " the usual kinds" : kinds);
    if (rule.webhook.starts_with("http://")) {
      fmt::print("    note: http sends it in the clear, and anybody on the way can change it\n");
    }
  }
  if (!config.observe.loopback) {
    fmt::print(
        "\nWithout an observer's token, requests on loopback see no clients or outlets, and only "
        "events of the sources\n");
  }
  if (!config.clients.empty()) {
    fmt::print("\nTerms for clients (from the moment they are invited, or show a certificate)\n");
  }
  for (const auto& [name, terms] : config.clients) {
    const std::string promise = terms.rate == 0
                                    ? "nothing promised"
                                    : "promised " + format_rate(static_cast<double>(terms.rate));
    fmt::print("  {:<30} {}, weight {:g}\n", name, promise, terms.weight);
  }
  return 0;
}

}  // namespace

Run add_check(CLI::App& command) {
  auto config = std::make_shared<std::string>();
  command.add_option("--config", *config,
                     fmt::format("Configuration file (default: {})", node::default_config_path()));
  return [config] { return check(*config); };
}

}  // namespace qanat::cli
