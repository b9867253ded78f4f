#include "node/config.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/files.h"
#include "base/quantity.h"
#include "base/shown.h"
#include "base/suggest.h"
#include "node/alarms.h"
#include "node/toml_reader.h"
#include "outlets/registry.h"
#include "sources/registry.h"
#include "sources/upstream/kept_join_strings.h"

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
constexpr TomlReader::Range quorum_range{"1", "16"};
static_assert(most_quorum == 16);

constexpr TomlReader::Range threads_range{"1", "256"};
constexpr TomlReader::Range reserve_range{"4KiB", "1GiB"};
// A second; 0 is no limit.
constexpr TomlReader::Range often_range{"0", "1000000"};

void read_drbg(const TomlReader& reader, const toml::table& table, Config& config) {
  reader.only(table, "drbg", {"reseed-interval", "reseed-bytes", "client-rate", "block-rate"});
  reader.duration(table, "drbg", "reseed-interval", config.reseed.interval, reseed_interval_range);
  reader.size(table, "drbg", "reseed-bytes", config.reseed.bytes, reseed_bytes_range);
  // Two seconds' worth at once; 0 is no limit. What the operator names holds for this machine too.
  for (const auto& [key, bucket] : {std::pair{"client-rate", &config.limits.client_drbg},
                                    std::pair{"block-rate", &config.limits.block_drbg}}) {
    const toml::node* const node = TomlReader::find(table, key);
    if (node == nullptr) continue;
    reader.rate(table, "drbg", key, bucket->rate);
    if (bucket->rate > share::most_rate * 1024) {
      reader.note(*node, fmt::format("drbg.{}: at most 1024GiB/s; 0 is no limit", key));
      bucket->rate = 0;
    }
    bucket->burst = 2 * bucket->rate;
    config.limits.limit_local = true;
  }
}

void read_limits(const TomlReader& reader, const toml::table& table, serve::Limits& limits) {
  const std::string where = "limits";
  reader.only(table, where,
              {"connections", "full-bytes", "drbg-bytes", "handshake", "header", "idle", "write",
               "documents", "sessions"});
  // A client's, a second, ten seconds' worth at once; a block of addresses has five and ten times
  // as much, as many share one.
  const auto rates = [&](const char* key, share::BucketRate& client, share::BucketRate& block) {
    constexpr std::uint64_t burst = 10;
    if (TomlReader::find(table, key) == nullptr) return;
    const std::uint64_t times = block.rate / client.rate;
    reader.count(table, where, key, client.rate, often_range);
    client.burst = burst * client.rate;
    block = {times * client.rate, times * client.burst};
  };
  rates("documents", limits.client_documents, limits.block_documents);
  rates("sessions", limits.client_sessions, limits.block_sessions);
  reader.count(table, where, "connections", limits.connections, connections_range);
  reader.size(table, where, "full-bytes", limits.request_full_bytes, full_range);
  reader.size(table, where, "drbg-bytes", limits.request_drbg_bytes, drbg_range);
  reader.duration(table, where, "handshake", limits.handshake, deadline_range);
  reader.duration(table, where, "header", limits.header, deadline_range);
  reader.duration(table, where, "idle", limits.idle, idle_range);
  reader.duration(table, where, "write", limits.write, deadline_range);
}

void read_core(const TomlReader& reader, const toml::table& root, Config& config) {
  if (const auto* t = reader.section(root, "node")) {
    reader.only(*t, "node", {"threads", "quorum", "on-reseed"});
    reader.commands(*t, "node", "on-reseed", config.on_reseed);
    for (const std::string& command : config.on_reseed) {
      config.places["node.on-reseed " + command] = reader.place(*t, "on-reseed");
    }
    reader.count(*t, "node", "quorum", config.quorum, quorum_range);
    config.places["node.quorum"] = reader.place(*t, "quorum");
    reader.count(*t, "node", "threads", config.threads, threads_range);
  }
  if (const auto* t = reader.section(root, "reserve")) {
    reader.only(*t, "reserve", {"size"});
    reader.size(*t, "reserve", "size", config.reserve_bytes, reserve_range);
  }
  if (const auto* t = reader.section(root, "drbg")) read_drbg(reader, *t, config);
  if (const auto* t = reader.section(root, "limits")) read_limits(reader, *t, config.limits);
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
  reader.duration(*t, "observe", "stat", config.observe.stat, stat_range);
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
      return reader.note(*node, fmt::format("alarm.{}: must be a text that is not empty", key));
    }
    put(node->as_string()->get());
  };
  text("name", [&](const std::string& value) { rule.label = value; });
  text("command", [&](const std::string& value) { rule.command = value; });
  text("webhook", [&](const std::string& value) { rule.webhook = value; });
  text("ca", [&](const std::string& value) { rule.ca = value; });
  reader.duration(table, where, "timeout", rule.timeout, alarm_timeout_range);
  reader.duration(table, where, "repeat", rule.repeat, alarm_repeat_range);
  reader.count(table, where, "retries", rule.retries, alarm_retries_range);
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
        return reader.note(
            item, fmt::format("alarm.on: '{}' is no kind that an alarm tells of; those are{}{}",
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
    const bool nothing = on->is_array() && on->as_array()->empty();
    if (nothing) reader.note(*on, "alarm.on: names nothing; leave it out for the usual");
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
    reader.note(*table.get("name"), "client.name: 1 to 64 letters, digits, '.', '_' and '-'");
  }
  reader.rate(table, "client", "rate", terms.rate);
  reader.size(table, "client", "burst", terms.burst);
  if (const toml::node* const weight = table.get("weight")) {
    const auto value = weight->value<double>();
    if (!value) reader.note(*weight, "client.weight: write a number from 0.001 to 1000");
    terms.weight = value.value_or(terms.weight);
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

void note_places(const TomlReader& reader, const toml::table& table, const std::string& what,
                 Config& config) {
  config.places[what] = reader.place(table, "name");
  for (const auto& [key, node] : table) {
    config.places[what + " " + spec::plain_key(key.str())] = reader.place(node.source());
  }
}

void read_alarms(const TomlReader& reader, const toml::table& root, Config& config) {
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
    config.places["alarm " + rule.name()] = reader.place(table, "command");
    config.alarms.push_back(std::move(rule));
  });
}

std::string_view without_mark(std::string_view text) {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  return text;
}

}  // namespace

Config parse_config(std::string_view text, const std::string& path, Problems& problems) {
  text = without_mark(text);
  const TomlReader reader(path);
  toml::table root;
  Config config;
  try {
    refuse_odd_characters(text, path);
    // Without the path: it would copy that in a constructor that ends the program without memory.
    root = toml::parse(text);
  } catch (const toml::parse_error& e) {
    // Said of a word that begins no value.
    const bool bare = e.description().find("could not determine value type") != std::string::npos;
    problems.push_back(fmt::format("{}: {}{}", reader.place(e.source()), e.description(),
                                   bare ? "; put text in quotes" : ""));
    return config;
  } catch (const Failure& problem) {
    problems.emplace_back(problem.what());
    return config;
  }
  reader.only(
      root, "",
      {"node", "reserve", "drbg", "limits", "observe", "source", "outlet", "client", "alarm"});
  read_core(reader, root, config);
  read_observe(reader, root, config);
  read_alarms(reader, root, config);
  reader.list(root, "source", [&](const toml::table& table) {
    const std::string name = reader.spec(table, "source", "hwrng");
    (void)reader.checked(table, "source", "hwrng", sources::describe_source);
    note_places(reader, table, "source " + name, config);
    config.sources.push_back(name);
  });
  reader.list(root, "outlet", [&](const toml::table& table) {
    constexpr std::string_view example = "https://*:7749";
    const std::string name = reader.spec(table, "outlet", example);
    (void)reader.checked(table, "outlet", example,
                         [](const std::string& each) { return outlets::plan_outlet(each); });
    note_places(reader, table, "outlet " + name, config);
    config.outlets.push_back(name);
  });
  reader.list(root, "client", [&](const toml::table& table) {
    const auto [name, terms] = read_client(reader, table);
    if (!config.clients.emplace(name, terms).second) {
      reader.note(*table.get("name"), fmt::format("client {}: named twice", name));
    }
  });
  for (std::string& problem : reader.problems()) problems.push_back(std::move(problem));
  return config;
}

Config load_config(const std::string& path, Problems& problems) {
  auto text = read_file(path);
  if (!text) throw Failure(text.error().message);
  return parse_config(sources::keep_join_strings(std::move(*text)), path, problems);
}

}  // namespace qanat::node
