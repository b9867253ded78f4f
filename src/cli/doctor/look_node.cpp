#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/files.h"
#include "base/processes.h"
#include "base/quantity.h"
#include "base/shown.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/doctor/look.h"
#include "cli/held_places.h"
#include "cli/upstream_argument.h"
#include "net/connect.h"
#include "node/look.h"
#include "observe/fields.h"
#include "outlets/registry.h"
#include "peers/http_client.h"
#include "sources/registry.h"
#include "sources/upstream/names.h"
#include "spec/options.h"
#include "wire/join_string.h"

namespace qanat::cli::doctor {
namespace {

// A listening socket, as /proc/net has it.
struct Listening {
  std::string inode;
  bool udp = false;
  bool everywhere = false;
  bool v6 = false;
  std::uint32_t v4_address = 0;  // in network order, as /proc writes it; 0 for IPv6
  std::uint16_t port = 0;
};

constexpr std::string_view state_listen = "0A";
constexpr std::string_view state_unconnected = "07";

void read_listening(const char* name, bool udp, std::vector<Listening>& found) {
  // Line by line: a hub has ten thousand connections, each with a line of 150 bytes.
  std::ifstream lines(std::string("/proc/net/") + name);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string slot;
    std::string local;
    std::string remote;
    std::string state;
    std::string queue;
    std::string timer;
    std::string retries;
    std::string owner;
    std::string timeout;
    std::string inode;
    words >> slot >> local >> remote >> state >> queue >> timer >> retries >> owner >> timeout >>
        inode;
    if (state != (udp ? state_unconnected : state_listen)) continue;
    const std::size_t colon = local.find(':');
    if (colon == std::string::npos) continue;
    const auto port = parse_number<std::uint16_t>(std::string_view(local).substr(colon + 1), 16);
    if (!port) continue;
    const std::string address = local.substr(0, colon);
    Listening one{.inode = inode, .udp = udp, .v6 = address.size() > 8, .port = *port};
    one.everywhere = address.find_first_not_of('0') == std::string::npos;
    if (!one.v6) one.v4_address = parse_number<std::uint32_t>(address, 16).value_or(0);
    found.push_back(one);
  }
}

// Whether a node that wants this address would find it taken. Names are not looked up: their port
// decides.
bool in_the_way(const Listening& socket, bool udp, const spec::Address& address) {
  if (socket.udp != udp || socket.port != address.port || address.port == 0) return false;
  const bool everywhere = address.host.empty() || address.host == "*";
  if (socket.everywhere || everywhere) return true;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  if (std::sscanf(host.c_str(), "%u.%u.%u.%u", &a, &b, &c, &d) != 4) return true;  // NOLINT
  return !socket.v6 && socket.v4_address == (d << 24U | c << 16U | b << 8U | a);
}

bool is_port(const std::string& place) {
  return place.starts_with("tcp ") || place.starts_with("udp ");
}

// Which program has each of these sockets open, as far as this account can see.
std::map<std::string, Process> holders_of(const std::vector<std::string>& inodes) {
  std::map<std::string, Process> holders;
  for (const pid_t pid : list_processes()) {
    for (const std::string& path : open_files_of(pid)) {
      std::array<char, 64> target{};
      const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
      if (size <= 0) continue;
      const std::string_view link(target.data(), static_cast<std::size_t>(size));
      for (const std::string& inode : inodes) {
        if (link == "socket:[" + inode + "]") holders[inode] = {pid, name_of_process(pid)};
      }
    }
  }
  return holders;
}

// A program's name is what it says of itself; this is what it was started from.
bool is_this_program(pid_t pid) {
  std::error_code problem;
  namespace fs = std::filesystem;
  const fs::path program = fs::read_symlink(fmt::format("/proc/{}/exe", pid), problem);
  // "qanat (deleted)", after an upgrade.
  const std::string name = program.filename().string();
  return name == "qanat" || name == "qanat (deleted)";
}

Upstream::Trouble trouble_of(peers::Trouble trouble) {
  switch (trouble) {
    case peers::Trouble::distrusted:
      return Upstream::Trouble::distrusted;
    case peers::Trouble::refused:
      return Upstream::Trouble::refused;
    case peers::Trouble::busy:
      return Upstream::Trouble::slow;
    case peers::Trouble::protocol:
      return Upstream::Trouble::misnamed;
    case peers::Trouble::unreachable:
    case peers::Trouble::stopped:
      break;
  }
  return Upstream::Trouble::unreachable;
}

// "//HOST:PORT", "//USER:FILE@HOST:PORT": where a source of a TCP protocol asks.
Result<spec::Address> address_in(const spec::Spec& source) {
  const std::string& target = source.target;
  const std::size_t at = target.rfind('@');
  const std::map<std::string, std::uint16_t> usual_ports{
      {"egd", 8888}, {"netrng", 8989}, {"broker", 55225}};
  const auto usual = usual_ports.find(source.type);
  return spec::parse_address(
      at == std::string::npos ? target : target.substr(at + 1),
      usual == usual_ports.end() ? std::nullopt : std::optional<std::uint16_t>(usual->second));
}

// Of those that a connection reaches; rngnet's peers push to us.
bool asks_over_tcp(const spec::Spec& source) {
  constexpr std::array types{"egd", "netrng", "broker", "raw"};
  return source.target.starts_with("//") &&
         std::find(types.begin(), types.end(), source.type) != types.end();
}

Upstream ask_node(const std::string& text, Duration limit) {
  peers::Endpoint endpoint = sources::parse_upstream(text);
  Upstream upstream{.name = sources::upstream_name(text), .problem = {}};
  const Waker waker;
  const auto failed = [&upstream](Upstream::Trouble trouble, const std::string& why) {
    upstream.trouble = trouble;
    upstream.problem = wire::without_secrets(why);
    return upstream;
  };
  if (endpoint.pollen) {
    const auto reached = net::connect_tcp(endpoint.address, waker, limit);
    if (!reached) return failed(Upstream::Trouble::unreachable, reached.error().message);
    return upstream;
  }
  peers::HttpClient client(std::move(endpoint), waker, {.connect = limit, .silence = limit});
  // A page that shows nothing to strangers, and draws nothing from the reserve.
  constexpr std::uint64_t most_page = 16 << 20;
  const auto answer = client.get("/v1/status", [](Bytes) { return true; },
                                 {.whole = limit, .answer = std::nullopt, .body = most_page});
  if (!answer) return failed(trouble_of(answer.error().trouble), answer.error().message);
  return upstream;
}

}  // namespace

Configuration look_at_configuration(const std::string& path, const node::Config& config,
                                    const std::string& state, node::Problems wrong) {
  // That an address is taken is said with who has it.
  std::set<std::string> held;
  try {
    held = places_held(state);
  } catch (const Failure&) {
    held.clear();  // said with the node
  }
  for (const std::string& outlet : config.outlets) {
    const std::string place = outlets::plan_outlet(outlet).place;
    if (is_port(place)) held.insert(place);
  }
  const node::StateDir directory(state);
  const std::string unfit = look_at_state(state).problem;
  Configuration configuration{.path = path, .wrong = std::move(wrong)};
  const node::Findings found = node::look_at(config, directory, held);
  for (const std::string& problem : found.wrong) {
    if (problem != unfit) configuration.wrong.push_back(wire::without_secrets(problem));
  }
  for (const std::string& warning : found.warnings) {
    configuration.warnings.push_back(wire::without_secrets(warning));
  }
  for (const auto& [source, why] : found.absent) {
    configuration.absent.push_back(
        fmt::format("{} ({})", shown(sources::describe_source(source).name), why));
  }
  return configuration;
}

std::vector<Port> look_at_ports(const node::Config& config) {
  std::vector<Listening> sockets;
  read_listening("tcp", false, sockets);
  read_listening("tcp6", false, sockets);
  read_listening("udp", true, sockets);
  read_listening("udp6", true, sockets);
  std::vector<Port> ports;
  std::vector<std::string> inodes;
  for (const std::string& outlet : config.outlets) {
    Port port{.place = outlets::plan_outlet(outlet).place, .holder = {}};
    if (!is_port(port.place)) continue;
    const bool udp = port.place.starts_with("udp ");
    const auto address = spec::parse_address(port.place.substr(4));
    if (!address) continue;
    const auto taken = std::find_if(sockets.begin(), sockets.end(), [&](const Listening& socket) {
      return in_the_way(socket, udp, *address);
    });
    if (taken != sockets.end()) {
      port.holder = "?";
      const auto holders = holders_of({taken->inode});
      if (!holders.empty()) {
        port.holder = holders.begin()->second.name;
        port.pid = holders.begin()->second.pid;
        port.is_node = is_this_program(port.pid);
      }
    }
    ports.push_back(std::move(port));
  }
  return ports;
}

std::vector<Asked> upstreams_of(const node::Config& config,
                                const std::vector<std::string>& arguments) {
  std::vector<Asked> asked;
  for (const std::string& argument : arguments) {
    Asked one{.name = wire::without_secrets(argument), .text = {}, .unreadable = {}};
    try {
      one.text = read_upstream_argument(argument);
      one.name = sources::upstream_name(one.text);
    } catch (const UsageError&) {
      throw;
    } catch (const Failure& problem) {
      const bool file = argument.starts_with('@');
      const bool forbidden = file && ::access(argument.c_str() + 1, R_OK) != 0 && errno == EACCES;
      one.unreadable = {
          .name = one.name,
          .problem = wire::without_secrets(problem.what()),
          .trouble = forbidden ? Upstream::Trouble::unreadable : Upstream::Trouble::misnamed};
    }
    asked.push_back(std::move(one));
  }
  for (const std::string& source : config.sources) {
    const auto spec = spec::parse_spec(source);
    if (sources::is_upstream(source) || (spec && asks_over_tcp(*spec))) {
      asked.push_back({sources::describe_source(source).name, source, {}});
    }
  }
  return asked;
}

Upstream look_at_upstream(const Asked& asked, Duration limit) {
  if (asked.text.empty()) return asked.unreadable;
  if (sources::is_upstream(asked.text)) return ask_node(asked.text, limit);
  Upstream upstream{.name = asked.name, .problem = {}};
  const auto address = address_in(spec::require_spec(asked.text));
  const Waker waker;
  const auto reached =
      address ? net::connect_tcp(*address, waker, limit) : tl::unexpected<Error>(address.error());
  if (!reached) {
    upstream.trouble = Upstream::Trouble::unreachable;
    upstream.problem = reached.error().message;
  }
  return upstream;
}

std::vector<RunningNode> look_at_node(const std::string& state) {
  RunningNode node;
  node.state = state;
  try {
    const auto document = cli::ask_node(state, "GET", "/v1/status");
    if (!document) return {};
    const observe::Fields fields(*document);
    const observe::Fields verdict = fields.part("verdict");
    node.role = fields.part("node").text("role");
    node.level = verdict.text("level");
    node.text = verdict.text("text");
    node.hint = verdict.text("hint");
  } catch (const std::exception& problem) {
    // Where to ask is said with it.
    const std::string why = plain_what(problem);
    node.problem = why.substr(0, why.find("; ask as "));
  }
  return {node};
}

}  // namespace qanat::cli::doctor
