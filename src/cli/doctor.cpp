// `qanat doctor`: looks at this machine from all sides at once, and says what is wrong with it.
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <thread>

#include "base/files.h"
#include "base/quantity.h"
#include "base/secret.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/doctor/check.h"
#include "cli/doctor/look.h"
#include "cli/node_options.h"
#include "cli/output.h"
#include "node/config_path.h"
#include "observe/fields.h"

namespace qanat::cli {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

using doctor::Finding;
using doctor::Findings;
using doctor::Level;

// What an upstream may take, and all looks together.
constexpr Duration upstream_patience = 4s;
constexpr Duration patience = 8s;
constexpr Duration moment = 200ms;

struct DoctorOptions {
  std::vector<std::string> upstreams;
  std::string config;
  std::string state;
  bool as_json = false;
};

// Looks that go on side by side, on threads of their own. One that does not end in time is left
// behind: a disk or a name server that is away must not hide what else is wrong.
class Looks {
 public:
  // Their findings come in the order of these calls.
  void begin(const std::string& subject, std::function<Findings()> look) {
    std::packaged_task<Findings()> task(std::move(look));
    looks_.emplace_back(subject, task.get_future());
    std::thread(std::move(task)).detach();
  }
  Findings end() {
    const TimePoint end = Clock().now() + patience;
    Findings all;
    for (auto& [subject, look] : looks_) {
      const Findings found = outcome(subject, look, end);
      all.insert(all.end(), found.begin(), found.end());
    }
    return all;
  }
  bool left_behind() const { return left_behind_; }

 private:
  Findings outcome(const std::string& subject, std::future<Findings>& look, TimePoint end) {
    if (look.wait_until(end) != std::future_status::ready) {
      left_behind_ = true;
      return {{Level::fail, subject, fmt::format("no answer within {}", format_duration(patience)),
               "a disk, a name server or a program hangs there; see that first"}};
    }
    try {
      return look.get();
    } catch (const std::exception& problem) {
      return {{Level::warn, subject, std::string("cannot be looked at: ") + problem.what(),
               "look again as root: sudo qanat doctor"}};
    }
  }

  std::vector<std::pair<std::string, std::future<Findings>>> looks_;
  bool left_behind_ = false;
};

void begin_machine(Looks& looks, const doctor::Kernel& kernel) {
  looks.begin("kernel", [kernel] { return check(kernel); });
  looks.begin("hardware RNG", [] { return check(doctor::look_at_hardware_rng()); });
  looks.begin("guest", [] { return check(doctor::look_at_guest()); });
  looks.begin("other daemon", [] { return check(doctor::look_at_processes()); });
  looks.begin("powers", [] { return check(doctor::look_at_account()); });
  looks.begin("clock", [] { return check(doctor::look_at_time(moment)); });
}

// The directories in which a node of this machine may be: those of this account, and the system's.
std::vector<std::string> states_of(const DoctorOptions& options) {
  if (!options.state.empty()) return {options.state};
  const std::string own = state_path("");
  std::vector<std::string> states{own, default_feed_state(), own + "-guest"};
  if (own != node::StateDir::roots_path && ::access(node::StateDir::roots_path, F_OK) == 0) {
    for (const char* const part : {"", "/feed", "-guest"}) {
      states.push_back(std::string(node::StateDir::roots_path) + part);
    }
  }
  return states;
}

void begin_node(Looks& looks, const DoctorOptions& options) {
  NodeOptions named;
  named.config = options.config;
  node::Problems wrong;
  node::Config config;
  try {
    config = gather(named, wrong);
  } catch (const Failure& problem) {
    wrong.emplace_back(problem.what());
  }
  const std::vector<std::string> states = states_of(options);
  looks.begin("configuration", [path = config_file(named), config, state = states.front(), wrong] {
    return check(doctor::look_at_configuration(path, config, state, wrong));
  });
  looks.begin("state", [state = states.front()] { return check(doctor::look_at_state(state)); });
  looks.begin("port", [config] {
    Findings all;
    for (const doctor::Port& port : doctor::look_at_ports(config)) {
      const Findings found = check(port);
      all.insert(all.end(), found.begin(), found.end());
    }
    return all;
  });
  std::vector<std::string> arguments = options.upstreams;
  // What qanat-feed.service is given.
  const std::string join_file = directory_of(node::default_config_path()) + "/join";
  const bool there = ::access(join_file.c_str(), F_OK) == 0 || errno == EACCES;
  if (arguments.empty() && there) arguments.push_back("@" + join_file);
  for (const doctor::Asked& asked : doctor::upstreams_of(config, arguments)) {
    looks.begin("upstream",
                [asked] { return check(doctor::look_at_upstream(asked, upstream_patience)); });
  }
  looks.begin("node", [states] {
    Findings all;
    for (const std::string& state : states) {
      for (const doctor::RunningNode& node : doctor::look_at_node(state)) {
        const Findings found = check(node);
        all.insert(all.end(), found.begin(), found.end());
      }
    }
    if (all.empty()) {
      all.push_back({Level::note, "node", "none runs here",
                     "start one: 'qanat serve', 'qanat feed UPSTREAM', or by its unit"});
    }
    return all;
  });
}

constexpr std::size_t width = 80;
constexpr std::size_t head = 20;

void print_text(const Findings& findings) {
  const auto print = [](std::string begin, const std::string& text) {
    for (const std::string& line : observe::wrap(text, width - head)) {
      fmt::print("{:<{}}{}\n", begin, head, line);
      begin.clear();
    }
  };
  for (const Finding& finding : findings) {
    print(fmt::format("{:<5} {}", to_string(finding.level), finding.subject), finding.text);
    if (finding.level != Level::ok) print("", "-> " + finding.remedy);
  }
}

std::size_t count(const Findings& findings, Level level) {
  return static_cast<std::size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [level](const Finding& finding) { return finding.level == level; }));
}

void print_json(const Findings& findings, bool well) {
  json::array all;
  for (const Finding& finding : findings) {
    all.push_back(json::object{{"level", to_string(finding.level)},
                               {"subject", finding.subject},
                               {"text", finding.text},
                               {"remedy", finding.remedy}});
  }
  fmt::print("{}\n", json::serialize(json::object{{"well", well}, {"findings", std::move(all)}}));
}

int examine(const DoctorOptions& options) {
  Looks looks;
  const doctor::Kernel kernel = doctor::look_at_kernel();
  begin_machine(looks, kernel);
  // Keys and connections take random bytes, for which a kernel that has none lets us wait.
  if (kernel.initialised) {
    initialise_secret_memory();
    begin_node(looks, options);
  }
  const Findings findings = looks.end();
  const std::size_t failed = count(findings, Level::fail);
  if (options.as_json) {
    print_json(findings, failed == 0);
  } else {
    print_text(findings);
    fmt::print("\n{}\n", failed > 0                         ? fmt::format("{} to mend", failed)
                         : count(findings, Level::warn) > 0 ? "nothing fails"
                                                            : "nothing is wrong");
  }
  const int code = failed == 0 ? 0 : 1;
  // A thread that hangs would see the program's objects end.
  if (looks.left_behind()) std::_Exit(finish_output(code));
  return code;
}

}  // namespace

Run add_doctor(CLI::App& command) {
  auto options = std::make_shared<DoctorOptions>();
  command.add_option("upstream", options->upstreams,
                     "Nodes to reach, as for feed (default: that of the feed's unit)");
  command.add_option("--config", options->config,
                     fmt::format("Configuration file (default: {})", node::default_config_path()));
  command.add_option("--state", options->state, "The node's state directory");
  command.add_flag("--json", options->as_json, "For scripts");
  return [options] { return examine(*options); };
}

}  // namespace qanat::cli
