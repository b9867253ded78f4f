// The configuration of a node: qanat.toml and the command line (docs/configuration.md).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "entropy/drbg_pool.h"
#include "observe/alarm.h"
#include "outlets/http/settings.h"
#include "share/terms.h"

namespace qanat::node {

// Upstreams of one quorum, at most: each costs a connection and 72 bytes a block.
inline constexpr std::size_t most_quorum = 16;

struct Config {
  std::size_t threads = 1;
  std::size_t reserve_bytes = 256 << 10;
  entropy::ReseedPolicy reseed;
  serve::Limits limits;
  std::size_t quorum = 1;  // upstreams that must contribute before any of them is credited
  std::vector<std::string> sources;  // names with their options, checked
  std::vector<std::string> outlets;
  bool default_outlets = false;  // nobody named them: the node goes on where one of them fails
  std::map<std::string, share::Terms> clients;  // by name
  std::vector<std::string> on_reseed;           // commands, run after this machine was renewed
  struct Observe {
    bool loopback = true;              // who asks on loopback without a name is the operator
    Duration stat = Duration::zero();  // between STAT lines; 0: none
    LogFormat log = LogFormat::text;
  };
  Observe observe;
  std::vector<observe::AlarmRule> alarms;

  // Which of the values that a reload cannot change differ, "node.threads, reserve.size"; empty:
  // none.
  std::string core_changes(const Config& other) const;
};

// Throws Failure, "file:line:column: key: what is wrong; what would be right": unknown key, wrong
// type, bad name, two outlets at one place, unreadable file.
Config load_config(const std::string& path);
// The same from text; `path` is for messages.
Config parse_config(std::string_view text, const std::string& path);
// Sources and outlets each valid, no two outlets at one place, a quorum that can be reached; throws
// Failure.
void check_config(const Config& config);
// What is valid and hardly meant, a line each.
std::vector<std::string> config_warnings(const Config& config);

}  // namespace qanat::node
