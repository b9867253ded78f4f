#include "node/config.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "base/files.h"
#include "base/quantity.h"
#include "base/shown.h"
#include "base/suggest.h"
#include "node/alarms.h"
#include "node/toml_reader.h"
#include "outlets/registry.h"
#include "sources/registry.h"
#include "sources/upstream/kept_join_strings.h"
#include "sources/upstream/names.h"

namespace qanat::node {
namespace {

// What an outlet may ask for at once, at grade full: a datagram of rngnet is the largest. Each
// request's bytes lie in locked memory.
constexpr TomlReader::Range full_range{"8KiB", "16MiB"};
// Fewer than a file's worth is no service; more is an hour's work of a core.
constexpr TomlReader::Range drbg_range{"4KiB", "1024GiB"};
constexpr TomlReader::Range connections_range{"1", "1000000"};
// Below a second no peer beyond this machine gets through; above, a dead one stays.
constexpr TomlReader::Range deadline_range{"1s", "1h"};
constexpr TomlReader::Range idle_range{"1s", "24h"};
// More often than once a second, seeds eat up a source; SP 800-90A wants one within 2^48 requests.
constexpr TomlReader::Range reseed_interval_range{"1s", "24h"};
constexpr TomlReader::Range reseed_bytes_range{"64KiB", "1024GiB"};

void read_core(const TomlReader& reader, const toml::table& root, Config& config) {
  constexpr std::size_t most_threads = 256;
  if (const auto* t = reader.section(root, "node")) {
    reader.only(*t, "node", {"threads", "quorum", "on-reseed"});
    reader.commands(*t, "node", "on-reseed", config.on_reseed);
    reader.size(*t, "node", "quorum", config.quorum);
    if (config.quorum == 0 || config.quorum > most_quorum) {
      reader.fail(*t->get("quorum"), "node.quorum: from 1 to 16");
    }
    reader.size(*t, "node", "threads", config.threads);
    if (config.threads == 0 || config.threads > most_threads) {
      reader.fail(*t->get("threads"), "node.threads: from 1 to 256");
    }
  }
  if (const auto* t = reader.section(root, "reserve")) {
    reader.only(*t, "reserve", {"size"});
    reader.size(*t, "reserve", "size", config.reserve_bytes);
    if (config.reserve_bytes < 4096 || config.reserve_bytes > (1U << 30)) {
      reader.fail(*t->get("size"), "reserve.size: from 4KiB to 1GiB");
    }
  }
  if (const auto* t = reader.section(root, "drbg")) {
    reader.only(*t, "drbg", {"reseed_interval", "reseed_bytes", "client_rate", "block_rate"});
    reader.duration(*t, "drbg", "reseed_interval", config.reseed.interval, reseed_interval_range);
    reader.size(*t, "drbg", "reseed_bytes", config.reseed.bytes, reseed_bytes_range);
    // Two seconds' worth at once; 0 is no limit. What the operator names holds for this machine
    // too.
    for (const auto& [key, bucket] : {std::pair{"client_rate", &config.limits.client_drbg},
                                      std::pair{"block_rate", &config.limits.block_drbg}}) {
      if (t->get(key) == nullptr) continue;
      reader.rate(*t, "drbg", key, bucket->rate);
      if (bucket->rate > share::most_rate * 1024) {
        reader.fail(*t->get(key), fmt::format("drbg.{}: at most 1024GiB/s; 0 is no limit", key));
      }
      bucket->burst = 2 * bucket->rate;
      config.limits.limit_local = true;
    }
  }
  if (const auto* t = reader.section(root, "limits")) {
    reader.only(*t, "limits",
                {"connections", "full_bytes", "drbg_bytes", "handshake", "header", "idle", "write",
                 "documents", "sessions"});
    // A client's, a second, ten seconds' worth at once; a block of addresses has five and ten times
    // as much, as many share one. 0 is no limit.
    const auto rates = [&](const char* key, share::BucketRate& client, share::BucketRate& block) {
      constexpr std::uint64_t most = 1000000;
      constexpr std::uint64_t burst = 10;
      if (t->get(key) == nullptr) return;
      const std::uint64_t times = block.rate / client.rate;
      reader.size(*t, "limits", key, client.rate);
      if (client.rate > most) {
        reader.fail(*t->get(key),
                    fmt::format("limits.{}: at most {} a second; 0 is no limit", key, most));
      }
      client.burst = burst * client.rate;
      block = {times * client.rate, times * client.burst};
    };
    rates("documents", config.limits.client_documents, config.limits.block_documents);
    rates("sessions", config.limits.client_sessions, config.limits.block_sessions);
    reader.size(*t, "limits", "connections", config.limits.connections, connections_range);
    reader.size(*t, "limits", "full_bytes", config.limits.request_full_bytes, full_range);
    reader.size(*t, "limits", "drbg_bytes", config.limits.request_drbg_bytes, drbg_range);
    reader.duration(*t, "limits", "handshake", config.limits.handshake, deadline_range);
    reader.duration(*t, "limits", "header", config.limits.header, deadline_range);
    reader.duration(*t, "limits", "idle", config.limits.idle, idle_range);
    reader.duration(*t, "limits", "write", config.limits.write, deadline_range);
  }
}

// More often than once a second nobody reads; less often than once a day is as good as never.
constexpr TomlReader::Range stat_range{"1s", "24h"};

void read_observe(const TomlReader& reader, const toml::table& root, Config& config) {
  const auto* const t = reader.section(root, "observe");
  if (t == nullptr) return;
  reader.only(*t, "observe", {"loopback", "stat", "log"});
  reader.word<bool>(*t, "observe", "loopback", config.observe.loopback,
                    {{"open", true}, {"closed", false}});
  reader.word<LogFormat>(*t, "observe", "log", config.observe.log,
                         {{"text", LogFormat::text}, {"json", LogFormat::json}});
  if (t->get("stat") != nullptr) {
    reader.duration(*t, "observe", "stat", config.observe.stat, stat_range);
  }
}

constexpr TomlReader::Range alarm_timeout_range{"1s", "10m"};
constexpr TomlReader::Range alarm_repeat_range{"1s", "24h"};
constexpr TomlReader::Range alarm_retries_range{"0", "20"};

observe::AlarmRule read_alarm(const TomlReader& reader, const toml::table& table) {
  const std::string where = "alarm";
  reader.only(table, where,
              {"name", "command", "webhook", "ca", "on", "timeout", "retries", "repeat"});
  observe::AlarmRule rule;
  const auto text = [&](std::string_view key, const auto& put) {
    const toml::node* const node = table.get(key);
    if (node == nullptr) return;
    if (!node->is_string() || node->as_string()->get().empty()) {
      reader.fail(*node, fmt::format("alarm.{}: must be a text that is not empty", key));
    }
    put(node->as_string()->get());
  };
  text("name", [&](const std::string& value) { rule.label = value; });
  text("command", [&](const std::string& value) { rule.command = value; });
  text("webhook", [&](const std::string& value) { rule.webhook = value; });
  text("ca", [&](const std::string& value) { rule.ca = value; });
  reader.duration(table, where, "timeout", rule.timeout, alarm_timeout_range);
  reader.duration(table, where, "repeat", rule.repeat, alarm_repeat_range);
  reader.size(table, where, "retries", rule.retries, alarm_retries_range);
  rule.on = observe::usual_alarms();
  if (const toml::node* const on = table.get("on")) {
    rule.on.clear();
    const auto add = [&](const toml::node& item) {
      const auto name = item.value<std::string>();
      const auto kind = name ? parse_event_kind(*name) : std::nullopt;
      if (!kind || *kind == EventKind::note) {
        std::string known;
        for (const std::string_view each : event_kind_names) {
          if (each != to_string(EventKind::note)) known += fmt::format(" {}", each);
        }
        reader.fail(item,
                    fmt::format("alarm.on: '{}' is no kind that an alarm tells of; those are{}{}",
                                shown(name.value_or("")), known,
                                did_you_mean(name.value_or(""), words_of(known))));
      }
      rule.on.push_back(*kind);
    };
    if (const toml::array* const list = on->as_array()) {
      for (const toml::node& item : *list) add(item);
    } else {
      add(*on);
    }
    if (rule.on.empty()) reader.fail(*on, "alarm.on: names nothing; leave it out for the usual");
  }
  try {
    check_alarm(rule);
  } catch (const Failure& problem) {
    const toml::node* at = table.get("ca");
    if (at == nullptr) at = table.get("webhook");
    reader.fail(at == nullptr ? table : *at, fmt::format("alarm: {}", problem.what()));
  }
  return rule;
}

std::pair<std::string, share::Terms> read_client(const TomlReader& reader,
                                                 const toml::table& table) {
  share::Terms terms;
  reader.only(table, "client", {"name", "rate", "burst", "weight"});
  const std::string client_name = reader.name(table, "client", "router");
  if (!share::valid_client_name(client_name)) {
    reader.fail(*table.get("name"), "client.name: 1 to 64 letters, digits, '.', '_' and '-'");
  }
  reader.rate(table, "client", "rate", terms.rate);
  reader.size(table, "client", "burst", terms.burst);
  if (const toml::node* const weight = table.get("weight")) {
    const auto value = weight->value<double>();
    if (!value) reader.fail(*weight, "client.weight: a number from 0.001 to 1000");
    terms.weight = *value;
  }
  // Each for itself, as far as it stands for itself: the line of the one that is wrong.
  for (const auto& [key, part] :
       {std::pair{"weight", share::Terms{.weight = terms.weight}},
        std::pair{"rate", share::Terms{.rate = terms.rate}}, std::pair{"burst", terms}}) {
    if (auto possible = share::check(part); !possible) {
      reader.fail(*table.get(key),
                  fmt::format("client {}: {}", client_name, possible.error().message));
    }
  }
  return {client_name, terms};
}

// TOML 1.0 has no control characters but tab and line ends; said here, as toml++ says it badly.
void refuse_odd_characters(std::string_view text, const std::string& path) {
  std::size_t line = 1;
  std::size_t column = 0;
  unsigned char previous = 0;
  for (const char c : text) {
    ++column;
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      ++line;
      column = 0;
    } else if ((byte < 0x20 && c != '\t' && c != '\r') || byte == 0x7f) {
      throw Failure(fmt::format("{}:{}:{}: a control character (0x{:02x}) that TOML does not allow",
                                path, line, column, byte));
    } else if (previous == 0xef && byte >= 0xad && byte <= 0xbb) {
      // U+FB40 to U+FEFF: toml++ 3.3 takes some of them for white space it does not know
      // (undefined).
      throw Failure(fmt::format("{}:{}:{}: a character (U+FB40 to U+FEFF) that is not taken here",
                                path, line, column));
    }
    previous = byte;
  }
}

}  // namespace

std::string Config::core_changes(const Config& other) const {
  std::string names;
  for (const auto& [name, same] :
       {std::pair{"node.threads", threads == other.threads},
        std::pair{"node.quorum", quorum == other.quorum},
        std::pair{"reserve.size", reserve_bytes == other.reserve_bytes},
        std::pair{"drbg.reseed_interval", reseed.interval == other.reseed.interval},
        std::pair{"drbg.reseed_bytes", reseed.bytes == other.reseed.bytes}}) {
    if (!same) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  }
  return names;
}

Config parse_config(std::string_view text, const std::string& path) {
  refuse_odd_characters(text, path);
  const TomlReader reader(path);
  toml::table root;
  try {
    // Without the path: it would copy that in a constructor that ends the program without memory.
    root = toml::parse(text);
  } catch (const toml::parse_error& e) {
    reader.fail(e.source(), std::string(e.description()));
  }
  Config config;
  reader.only(
      root, "",
      {"node", "reserve", "drbg", "limits", "observe", "source", "outlet", "client", "alarm"});
  read_core(reader, root, config);
  read_observe(reader, root, config);
  reader.list(root, "alarm", [&](const toml::table& table) {
    if (config.alarms.size() == Alarms::most_rules) {
      reader.fail(table, fmt::format("alarm: at most {}", Alarms::most_rules));
    }
    observe::AlarmRule rule = read_alarm(reader, table);
    // Two at one host are told apart.
    const std::string name = rule.name();
    const auto same =
        std::count_if(config.alarms.begin(), config.alarms.end(), [&](const auto& other) {
          return other.name() == name || other.name().starts_with(name + " #");
        });
    if (same > 0) rule.label = fmt::format("{} #{}", name, same + 1);
    config.alarms.push_back(std::move(rule));
  });
  reader.list(root, "source", [&](const toml::table& table) {
    config.sources.push_back(reader.spec(table, "source", "hwrng"));
    reader.checked(table, "source", "hwrng", sources::describe_source);
  });
  std::map<std::string, std::string> places;
  reader.list(root, "outlet", [&](const toml::table& table) {
    constexpr std::string_view example = "https://*:7749";
    config.outlets.push_back(reader.spec(table, "outlet", example));
    const std::string place =
        reader
            .checked(table, "outlet", example,
                     [](const std::string& name) { return outlets::plan_outlet(name); })
            .place;
    const auto [other, fresh] = places.emplace(place, config.outlets.back());
    if (!fresh) {
      reader.fail(*table.get("name"),
                  fmt::format("outlet: {} and {} are at the same place; leave one out",
                              other->second, config.outlets.back()));
    }
  });
  reader.list(root, "client", [&](const toml::table& table) {
    const auto [name, terms] = read_client(reader, table);
    if (!config.clients.emplace(name, terms).second) {
      reader.fail(*table.get("name"), fmt::format("client {}: named twice", name));
    }
  });
  return config;
}

Config load_config(const std::string& path) {
  // A FIFO in its place would hold up a reload for ever; one that a shell made is meant.
  const bool of_shell = path.starts_with("/dev/") || path.starts_with("/proc/");
  auto text = read_file(path, 1 << 20, of_shell ? FileKind::any : FileKind::regular);
  if (!text) throw Failure(text.error().message);
  return parse_config(sources::keep_join_strings(std::move(*text)), path);
}

void check_config(const Config& config) {
  std::map<std::string, std::string> places;
  std::vector<peers::Endpoint> upstreams;
  for (const std::string& source : config.sources) {
    sources::describe_source(source);
    if (sources::is_upstream(source)) upstreams.push_back(sources::parse_upstream(source));
  }
  if (!upstreams.empty()) sources::check_quorum(upstreams, config.quorum);
  for (const std::string& outlet : config.outlets) {
    const auto description = outlets::plan_outlet(outlet);
    const auto [other, fresh] = places.emplace(description.place, outlet);
    if (!fresh) {
      throw Failure(fmt::format("outlets {} and {} are at the same place; leave one out",
                                other->second, outlet));
    }
  }
}

std::vector<std::string> config_warnings(const Config& config) {
  const auto has = [&config](std::string_view type) {
    return std::any_of(config.outlets.begin(), config.outlets.end(),
                       [&](const std::string& text) { return text.starts_with(type); });
  };
  if (!has("trickle:") || has("https:")) return {};
  return {
      "trickle: no https outlet, so clients cannot begin sessions here; add --outlet "
      "'https://*:7749', or share trickle.key with a hub that has one"};
}

}  // namespace qanat::node
