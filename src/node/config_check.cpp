#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "node/config.h"
#include "outlets/registry.h"
#include "sources/registry.h"
#include "sources/upstream/names.h"

namespace qanat::node {
namespace {

// No two outlets at one place.
void check_places(const Config& config, Problems& problems) {
  std::map<std::string, std::string> places;
  for (const std::string& outlet : config.outlets) {
    const auto [other, fresh] = places.emplace(outlets::plan_outlet(outlet).place, outlet);
    if (fresh) continue;
    problems.push_back(fmt::format("{}outlets {} and {} are at the same place; leave one out",
                                   config.place_of("outlet", outlet), other->second, outlet));
  }
}

}  // namespace

std::string Config::place_of(std::string_view kind, const std::string& text,
                             const std::string& option) const {
  const std::string name = fmt::format("{} {}", kind, text);
  auto found = places.find(name + " " + option);
  if (option.empty() || found == places.end()) found = places.find(name);
  return found == places.end() || found->second.empty() ? "" : found->second + ": ";
}

void refuse(const Problems& problems) {
  if (problems.empty()) return;
  if (problems.size() == 1) throw Failure(problems.front());
  throw Failure(fmt::format("{} (and {} more: 'qanat check' tells all)", problems.front(),
                            problems.size() - 1));
}

std::string Config::core_changes(const Config& other) const {
  std::string names;
  for (const auto& [name, same] :
       {std::pair{"node.threads", threads == other.threads},
        std::pair{"node.quorum", quorum == other.quorum},
        std::pair{"reserve.size", reserve_bytes == other.reserve_bytes},
        std::pair{"drbg.reseed-interval", reseed.interval == other.reseed.interval},
        std::pair{"drbg.reseed-bytes", reseed.bytes == other.reseed.bytes}}) {
    if (!same) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  }
  return names;
}

Config parse_config(std::string_view text, const std::string& path) {
  Problems problems;
  Config config = parse_config(text, path, problems);
  check_places(config, problems);
  refuse(problems);
  return config;
}

Config load_config(const std::string& path) {
  Problems problems;
  Config config = load_config(path, problems);
  check_places(config, problems);
  refuse(problems);
  return config;
}

void check_config(const Config& config, Problems& problems) {
  std::vector<peers::Endpoint> upstreams;
  for (const std::string& source : config.sources) {
    if (sources::is_upstream(source)) upstreams.push_back(sources::parse_upstream(source));
  }
  const auto quorum = config.places.find("node.quorum");
  const std::string where =
      quorum == config.places.end() || quorum->second.empty() ? "" : quorum->second + ": ";
  if (upstreams.empty() && config.quorum > 1) {
    problems.push_back(
        fmt::format("{}a quorum of {} is of upstreams, and no source is one: add other nodes (a "
                    "join string, https://HOST:PORT), or leave the quorum out",
                    where, config.quorum));
  }
  try {
    if (!upstreams.empty()) sources::check_quorum(upstreams, config.quorum);
  } catch (const Failure& problem) {
    problems.push_back(where + problem.what());
  }
  check_places(config, problems);
}

void check_config(const Config& config) {
  for (const std::string& source : config.sources) (void)sources::describe_source(source);
  for (const std::string& outlet : config.outlets) (void)outlets::plan_outlet(outlet);
  Problems problems;
  check_config(config, problems);
  refuse(problems);
}

std::string replaced_outlets(const Config& config, const std::string& file) {
  std::string missing;
  std::string add;
  for (const std::string& usual : outlets::default_outlets()) {
    const outlets::OutletPlan plan = outlets::plan_outlet(usual);
    const bool http = usual.starts_with("http:");
    const std::string port = usual.substr(usual.rfind(':'));
    const bool there =
        std::any_of(config.outlets.begin(), config.outlets.end(), [&](const std::string& outlet) {
          // Every address is that of loopback, too.
          return outlets::plan_outlet(outlet).place == plan.place ||
                 (http && (outlet.starts_with("http://*" + port) ||
                           outlet.starts_with("http://0.0.0.0" + port) ||
                           outlet.starts_with("http://[::]" + port)));
        });
    if (there) continue;
    missing +=
        fmt::format("{}{} ({})", missing.empty() ? "" : ", ", usual.substr(0, usual.find('?')),
                    http ? "HTTP API and dashboard for this machine"
                         : "EGD, for libqanat and the OpenSSL provider");
    add += file.empty() ? fmt::format(" --outlet '{}'", usual)
                        : fmt::format("{} name = \"{}\"", add.empty() ? "" : " and", usual);
  }
  if (missing.empty()) return "";
  return fmt::format(
      "{} in place of the default ones, so these are not served: {}; to serve them "
      "too, add{}{}",
      file.empty() ? "--outlet names outlets" : file + " names outlets", missing,
      file.empty() ? "" : " an [[outlet]] with", add);
}

std::vector<std::string> config_warnings(const Config& config) {
  std::vector<std::string> warnings;
  const bool counts = std::any_of(
      config.sources.begin(), config.sources.end(),
      [](const std::string& source) { return sources::describe_source(source).credit; });
  if (!counts && !config.sources.empty()) {
    warnings.emplace_back(
        "no source is credited, so nobody will get a byte; add one that is ('qanat sources'), or "
        "give h= and credit=yes to one that you know");
  }
  const auto has = [&config](std::string_view type) {
    return std::any_of(config.outlets.begin(), config.outlets.end(),
                       [&](const std::string& text) { return text.starts_with(type); });
  };
  if (has("trickle:") && !has("https:")) {
    warnings.emplace_back(
        "trickle: no https outlet, so clients cannot begin sessions here; add --outlet "
        "'https://*:7749', or share trickle.key with a hub that has one");
  }
  return warnings;
}

}  // namespace qanat::node
