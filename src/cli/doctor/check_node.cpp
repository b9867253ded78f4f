#include <fmt/core.h>

#include "cli/doctor/check.h"

namespace qanat::cli::doctor {

Findings check(const Configuration& configuration) {
  const std::string& path = configuration.path;
  Findings found;
  // Each says where it is, and what would be right.
  for (const std::string& wrong : configuration.wrong) {
    found.push_back({Level::fail, "configuration", wrong, "mend that; 'qanat check' looks again"});
  }
  if (found.empty()) {
    found.push_back({Level::ok, "configuration",
                     path.empty() ? "no file: the defaults hold" : path + " is valid", ""});
  }
  for (const std::string& warning : configuration.warnings) {
    found.push_back({Level::warn, "configuration", warning,
                     "change " + path + ", and look with 'qanat check'"});
  }
  for (const std::string& source : configuration.absent) {
    found.push_back({Level::warn, "source", source + ": not there now",
                     "plug it in or load its driver: the node looks for it; or leave it out"});
  }
  return found;
}

Findings check(const Port& port) {
  const std::string subject = "port";
  if (port.holder.empty()) return {{Level::ok, subject, port.place + " is free", ""}};
  const std::string who =
      port.pid == 0 ? "another program" : fmt::format("{} (pid {})", port.holder, port.pid);
  if (port.is_node) {
    return {{Level::ok, subject, fmt::format("{} is served by {}", port.place, who), ""}};
  }
  if (port.pid == 0) {
    return {{Level::note, subject, port.place + " is in use, by a program of another account",
             "look as root who it is: ss -lntup"}};
  }
  return {{Level::fail, subject, fmt::format("{} is taken by {}", port.place, who),
           "stop that, or give the outlet another port"}};
}

Findings check(const Upstream& upstream) {
  using Trouble = Upstream::Trouble;
  const std::string text = upstream.name + ": " + upstream.problem;
  switch (upstream.trouble) {
    case Trouble::none:
      return {{Level::ok, "upstream", upstream.name + " answers", ""}};
    case Trouble::unreadable:
      return {{Level::note, "upstream", text, "look again as root: sudo qanat doctor"}};
    case Trouble::distrusted:
      return {{Level::fail, "upstream", text,
               "if the hub has a new key, invite this machine again there; else somebody stands "
               "between"}};
    case Trouble::refused:
      return {
          {Level::fail, "upstream", text,
           "at the hub: 'qanat invite NAME --replace' for a new join string; for a name that was "
           "revoked, 'qanat allow NAME' first"}};
    case Trouble::misnamed:
      return {{Level::fail, "upstream", text, "mend its name, or its file's"}};
    case Trouble::slow:
      return {{Level::warn, "upstream", text, "look at the hub: 'qanat status' there says why"}};
    case Trouble::unreachable:
      break;
  }
  return {{Level::fail, "upstream", text,
           "see that the hub runs, that its name is known here, and that no firewall drops its "
           "port (7749, TCP and UDP)"}};
}

Findings check(const RunningNode& node) {
  const std::string role = node.role.empty() ? "node" : node.role;
  if (!node.problem.empty()) {
    return {{Level::warn, role, node.problem, "look again as root: sudo qanat doctor"}};
  }
  const Level level = node.level == "good"      ? Level::ok
                      : node.level == "warning" ? Level::warn
                                                : Level::fail;
  return {{level, role, fmt::format("in {}: {}", node.state, node.text),
           level == Level::ok  ? ""
           : node.hint.empty() ? "see 'qanat status'"
                               : node.hint}};
}

}  // namespace qanat::cli::doctor
