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
  std::string note;              // for the log at the start; may be empty
  std::map<std::string, share::Terms> clients;  // by name
  std::vector<std::string> on_reseed;           // commands, run after this machine was renewed
  struct Observe {
    bool loopback = true;              // who asks on loopback without a name is the operator
    Duration stat = Duration::zero();  // between STAT lines; 0: none
    LogFormat log = LogFormat::text;
  };
  Observe observe;
  std::vector<observe::AlarmRule> alarms;
  // Where a file says it, "qanat.toml:12:1": of "node.quorum", "outlet NAME" and "outlet NAME key",
  // sources and alarms likewise.
  std::map<std::string, std::string> places;

  // "qanat.toml:12:1: ", of the option where that has a line of its own; empty: no file says it.
  std::string place_of(std::string_view kind, const std::string& text,
                       const std::string& option = "") const;

  // Which of the values that a reload cannot change differ, "node.threads, reserve.size"; empty:
  // none.
  std::string core_changes(const Config& other) const;
};

// What is wrong, a line each: "file:line:column: key: what is wrong; what would be right".
using Problems = std::vector<std::string>;
// Throws Failure, unless there are none: the first, and how many more there are.
void refuse(const Problems& problems);

// Adds what is wrong: an unknown key, a wrong type, a bad name. What it returns is without that.
// Throws Failure for a file that cannot be read.
Config load_config(const std::string& path, Problems& problems);
// The same from text; `path` is for messages.
Config parse_config(std::string_view text, const std::string& path, Problems& problems);
// The same; what is wrong, two outlets at one place too, is a Failure.
Config load_config(const std::string& path);
Config parse_config(std::string_view text, const std::string& path);
// What no single name shows, of sources and outlets that are valid: two outlets at one place, a
// quorum that cannot be reached.
void check_config(const Config& config, Problems& problems);
// The same, and that each name is valid; throws Failure.
void check_config(const Config& config);
// Which default outlets there are not, as others are named, and how to have them; empty: none is
// missing. `file`: that names the outlets; empty: the command line does.
std::string replaced_outlets(const Config& config, const std::string& file);
// What is valid and hardly meant, a line each.
std::vector<std::string> config_warnings(const Config& config);

}  // namespace qanat::node
