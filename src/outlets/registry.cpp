#include "outlets/registry.h"

#include <fmt/core.h>

#include <array>
#include <charconv>

#include "base/quantity.h"
#include "base/run_directory.h"
#include "outlets/broker.h"
#include "outlets/broker_producer.h"
#include "outlets/egd.h"
#include "outlets/fifo.h"
#include "outlets/http_outlet.h"
#include "outlets/kernel_pool.h"
#include "outlets/netrng.h"
#include "outlets/raw.h"
#include "outlets/rngnet.h"
#include "outlets/seed_file.h"
#include "outlets/standard_output.h"
#include "outlets/trickle_outlet.h"
#include "wire/claim.h"
#include "wire/netrng.h"

namespace qanat::outlets {
namespace {

using wire::Grade;
using wire::Spec;

// A hardware RNG's driver holds 32 bytes of pool for 256 bits: never fewer at once.
constexpr std::size_t min_feed_bytes = 32;
constexpr std::size_t max_feed_bytes = 512;

Grade grade_of(const Spec& spec, Grade usual) {
  const auto text = spec.option("grade");
  if (!text) return usual;
  const auto grade = wire::parse_grade(*text);
  if (!grade) throw Failure(fmt::format("{}: grade={} is neither full nor drbg", spec.text, *text));
  return *grade;
}

// Of those who draw there without a name of their own, or of the outlet itself.
share::Terms terms_of(const Spec& spec) {
  share::Terms terms;
  const auto number = [&](std::string_view key, auto parse, std::uint64_t& out,
                          std::string_view example) {
    const auto text = spec.option(key);
    if (!text) return;
    const auto value = parse(*text);
    if (!value) {
      throw Failure(fmt::format("{}: {}={} is not understood; write it like {}", spec.text, key,
                                *text, example));
    }
    out = *value;
  };
  number("rate", parse_rate, terms.rate, "1KiB/s");
  number("burst", parse_size, terms.burst, "4KiB");
  if (const auto text = spec.option("weight")) {
    const auto [end, problem] =
        std::from_chars(text->data(), text->data() + text->size(), terms.weight);
    if (problem != std::errc() || end != text->data() + text->size()) {
      throw Failure(fmt::format("{}: weight={} is no number", spec.text, *text));
    }
  }
  if (auto possible = share::check(terms); !possible) {
    throw Failure(fmt::format("{}: {}", spec.text, possible.error().message));
  }
  return terms;
}

std::size_t size_of(const Spec& spec, std::string_view key, std::size_t usual, std::size_t least,
                    std::size_t most) {
  const auto text = spec.option(key);
  if (!text) return usual;
  const auto size = parse_size(*text);
  if (!size || *size < least || *size > most) {
    throw Failure(fmt::format("{}: {}={} is no size between {} and {} bytes", spec.text, key, *text,
                              least, most));
  }
  return static_cast<std::size_t>(*size);
}

Duration every_of(const Spec& spec, Duration usual, Duration least) {
  const auto text = spec.option("every");
  if (!text) return usual;
  const auto every = parse_duration(*text);
  if (!every || *every < least) {
    throw Failure(fmt::format("{}: every={} is no interval of {} or more", spec.text, *text,
                              format_duration(least)));
  }
  return *every;
}

Schedule schedule_of(const Spec& spec, Schedule schedule) {
  schedule.terms = terms_of(spec);
  schedule.every = every_of(spec, schedule.every, std::chrono::seconds(1));
  schedule.bytes = size_of(spec, "bytes", schedule.bytes, min_feed_bytes, max_feed_bytes);
  return schedule;
}

// A datagram a second, unless told otherwise: nobody says when it is enough.
Schedule rngnet_schedule(const Spec& spec) {
  using namespace wire::rngnet;
  Schedule schedule{std::chrono::seconds(1), usual_bytes, terms_of(spec),
                    grade_of(spec, Grade::full)};
  schedule.every = every_of(spec, schedule.every, Duration::zero());
  schedule.bytes = size_of(spec, "bytes", schedule.bytes, least_bytes, most_bytes);
  return schedule;
}

std::vector<wire::Address> rngnet_recipients(const Spec& spec) {
  auto recipients = wire::rngnet::parse_recipients(spec.target);
  if (!recipients) throw Failure(fmt::format("{}: {}", spec.text, recipients.error().message));
  return std::move(*recipients);
}

std::string require_target(const Spec& spec) {
  if (spec.target.empty()) {
    throw Failure(fmt::format("{}: says no path; write {}:PATH", spec.text, spec.type));
  }
  return spec.target;
}

HttpSettings http_settings(const Spec& spec, const OutletDefaults& defaults) {
  HttpSettings settings;
  settings.name = spec.text;
  settings.tls = spec.type == "https";
  settings.api = defaults.api;
  settings.limits = defaults.http;
  settings.pollen_grade = grade_of(spec, Grade::full);
  settings.terms = terms_of(spec);
  settings.certificate_file = spec.option("cert");
  settings.key_file = spec.option("key");
  settings.ca_file = spec.option("ca");
  auto address = wire::parse_address(spec.target, settings.tls ? 7749 : 7748);
  if (!address) throw Failure(fmt::format("{}: {}", spec.text, address.error().message));
  settings.address = *address;
  if (!settings.tls && (settings.certificate_file || settings.key_file || settings.ca_file)) {
    throw Failure(fmt::format("{}: cert=, key= and ca= belong to https", spec.text));
  }
  const bool loopback = wire::is_loopback(settings.address.host);
  const std::string access = spec.option("access").value_or(settings.ca_file ? "ca"
                                                            : loopback       ? "open"
                                                                             : "join");
  if (access == "open") {
    settings.access = Access::open;
  } else if (access == "join") {
    settings.access = Access::join;
  } else if (access == "ca") {
    settings.access = Access::ca;
  } else {
    throw Failure(fmt::format("{}: access={} is none of open, join, ca", spec.text, access));
  }
  if (!settings.tls && settings.access != Access::open) {
    throw Failure(fmt::format(
        "{}: plain http cannot tell who draws, and {} is beyond loopback; use https://, or write "
        "access=open if everybody who reaches it may draw",
        spec.text, settings.address.text()));
  }
  if (settings.access == Access::ca && !settings.ca_file) {
    throw Failure(fmt::format("{}: access=ca needs ca=FILE", spec.text));
  }
  return settings;
}

std::unique_ptr<Outlet> make_http(const Spec& spec, const OutletDefaults& defaults,
                                  const OutletServices& services) {
  return std::make_unique<HttpOutlet>(http_settings(spec, defaults), services);
}

OutletDescription describe_http(const Spec& spec) {
  const HttpSettings settings = http_settings(spec, {});
  const std::string who = settings.access == Access::open ? "whoever reaches it may draw"
                          : settings.access == Access::join
                              ? "who has a join string may draw"
                              : "who has a certificate of " + *settings.ca_file + " may draw";
  return {spec.text, "tcp " + settings.address.text(), who};
}

TrickleSettings trickle_settings(const Spec& spec, const OutletDefaults& defaults) {
  auto address = wire::parse_address(spec.target, 7749);
  if (!address) throw Failure(fmt::format("{}: {}", spec.text, address.error().message));
  return {spec.text, *address, defaults.http, terms_of(spec)};
}

OutletDescription describe_scheduled(const Spec& spec) {
  const Schedule schedule = schedule_of(spec, {});
  return {spec.text, spec.target.empty() ? spec.type : spec.target,
          fmt::format("{} bytes every {}", schedule.bytes, format_duration(schedule.every))};
}

// "//HOST:PORT" is TCP; a path is a UNIX socket, with mode= and group=. Who draws there has no
// name: loopback, unless the operator says access=open.
StreamAddress stream_address(const Spec& spec, std::optional<std::uint16_t> usual_port) {
  StreamAddress at;
  const auto mode = spec.option("mode");
  at.unix_group = spec.option("group").value_or("");
  if (!spec.target.starts_with("//")) {
    at.unix_path = require_target(spec);
    if (!mode) return at;
    const auto [end, problem] =
        std::from_chars(mode->data(), mode->data() + mode->size(), at.unix_mode, 8);
    if (problem != std::errc() || end != mode->data() + mode->size() || at.unix_mode > 0777) {
      throw Failure(fmt::format("{}: mode={} is none; write it like 0660", spec.text, *mode));
    }
    return at;
  }
  auto address = wire::parse_address(spec.target, usual_port);
  if (!address) throw Failure(fmt::format("{}: {}", spec.text, address.error().message));
  at.address = *address;
  if (mode || !at.unix_group.empty()) {
    throw Failure(fmt::format("{}: mode= and group= belong to a UNIX socket", spec.text));
  }
  const std::string access = spec.option("access").value_or("");
  const bool passwords = spec.type == "broker";
  if (passwords && access.empty() && !wire::is_loopback(at.address.host)) {
    throw Failure(fmt::format(
        "{}: who listens on the way can find the broker's passwords, and {} is beyond loopback; "
        "write access=password if the network is your own",
        spec.text, at.address.text()));
  }
  if (passwords && access == "password") return at;
  if (!access.empty() && access != "open") {
    throw Failure(
        fmt::format("{}: access={} is not known here; {} cannot tell who draws, so it is "
                    "open or on loopback",
                    spec.text, access, spec.type));
  }
  if (access.empty() && !wire::is_loopback(at.address.host)) {
    throw Failure(fmt::format(
        "{}: {} cannot tell who draws, and {} is beyond loopback; write access=open if everybody "
        "who reaches it may draw",
        spec.text, spec.type, at.address.text()));
  }
  return at;
}

// One user, or one block of addresses, at one outlet: as many guests as a large host has, with
// room.
constexpr std::size_t usual_peer_connections = 1000;

std::optional<std::size_t> count_of(const Spec& spec, std::string_view key) {
  const auto text = spec.option(key);
  if (!text) return std::nullopt;
  std::size_t count = 0;
  const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), count);
  if (problem != std::errc() || end != text->data() + text->size() || count == 0) {
    throw Failure(fmt::format("{}: {}={} is no number of 1 or more", spec.text, key, *text));
  }
  return count;
}

StreamSettings stream_settings(const Spec& spec, const OutletDefaults& defaults,
                               std::optional<std::uint16_t> usual_port) {
  StreamSettings settings{spec.text, stream_address(spec, usual_port), grade_of(spec, Grade::full),
                          terms_of(spec), defaults.http};
  settings.limits.peer_connections = count_of(spec, "connections").value_or(usual_peer_connections);
  return settings;
}

OutletDescription describe_stream(const StreamSettings& settings) {
  const StreamAddress& at = settings.at;
  const bool local = !at.unix_path.empty();
  const std::string who =
      !local              ? "whoever reaches it may draw"
      : at.unix_mode & 07 ? "every user of this machine may draw"
                          : fmt::format("mode {:04o}{}", at.unix_mode,
                                        at.unix_group.empty() ? "" : ", group " + at.unix_group);
  return {settings.name, local ? at.unix_path : "tcp " + at.address.text(),
          fmt::format("{}, grade {}", who, to_string(settings.grade))};
}

constexpr std::uint16_t egd_port = 8888;

bool yes_or_no(const Spec& spec, std::string_view key, bool usual) {
  const auto text = spec.option(key);
  if (!text) return usual;
  if (*text == "yes" || *text == "no") return *text == "yes";
  throw Failure(fmt::format("{}: {}={} is neither yes nor no", spec.text, key, *text));
}

NetrngSettings netrng_settings(const Spec& spec, const OutletDefaults& defaults) {
  NetrngSettings settings;
  if (!spec.target.starts_with("//")) {
    throw Failure(fmt::format("{}: write netrng://ADDR:PORT", spec.text));
  }
  settings.stream = stream_settings(spec, defaults, wire::netrng::usual_port);
  settings.sample_bytes =
      size_of(spec, "bytes", settings.sample_bytes, 16, wire::netrng::most_sample);
  if (const auto clients = count_of(spec, "clients")) {
    settings.stream.limits.connections = *clients;
    settings.stream.limits.wait_for_room = true;
  }
  settings.announce = yes_or_no(spec, "announce", false);
  if (settings.announce && wire::is_loopback(settings.stream.at.address.host)) {
    throw Failure(fmt::format("{}: announce=yes, and nobody else can reach {}", spec.text,
                              settings.stream.at.address.text()));
  }
  return settings;
}

OutletDescription describe_netrng(const Spec& spec) {
  const NetrngSettings settings = netrng_settings(spec, {});
  OutletDescription description = describe_stream(settings.stream);
  description.note += fmt::format(", samples of {} bytes", settings.sample_bytes);
  if (settings.announce) description.note += ", announced by mDNS";
  return description;
}

// An algorithm's name, or the usual one.
template <typename Find>
std::string algorithm_of(const Spec& spec, std::string_view option, std::string usual, Find find,
                         const std::string& known) {
  const auto text = spec.option(option);
  if (!text) return usual;
  if (find(*text) == nullptr) {
    throw Failure(
        fmt::format("{}: {}={} is not known; there are {}", spec.text, option, *text, known));
  }
  return *text;
}

// What producers deliver is somebody's word: as of an EGD, and credited only by the operator's.
constexpr double usual_inflow_h = 4;

BrokerSettings broker_settings(const Spec& spec, const OutletDefaults& defaults) {
  BrokerSettings settings;
  if (!spec.target.starts_with("//")) {
    throw Failure(fmt::format("{}: write broker://ADDR:PORT?users=FILE", spec.text));
  }
  settings.stream = stream_settings(spec, defaults, wire::broker::usual_port);
  const auto users = spec.option("users");
  if (!users) {
    throw Failure(fmt::format("{}: needs users=FILE, with lines of NAME|PASSWORD|BITS-PER-SECOND",
                              spec.text));
  }
  settings.users_file = *users;
  using namespace wire::broker;
  settings.suite.cipher =
      algorithm_of(spec, "cipher", settings.suite.cipher, find_cipher, known_ciphers());
  settings.suite.mac = algorithm_of(spec, "mac", settings.suite.mac, find_hash, known_hashes());
  settings.suite.hash = algorithm_of(spec, "hash", settings.suite.hash, find_hash, known_hashes());
  settings.claim = wire::claim_of(spec, {usual_inflow_h, false});
  return settings;
}

// "//USER:PASSFILE@HOST": somebody else's broker, to which we deliver.
bool is_account(const Spec& spec) { return spec.target.find('@') != std::string::npos; }

wire::broker::Account broker_account(const Spec& spec) {
  auto account = wire::broker::parse_account(spec.target);
  if (!account) throw Failure(fmt::format("{}: {}", spec.text, account.error().message));
  return std::move(*account);
}

OutletDescription describe_broker(const Spec& spec) {
  if (is_account(spec)) {
    const auto account = broker_account(spec);
    return {
        spec.text, spec.text,
        fmt::format("delivers to the broker at {} as {}, grade {}; whoever listens on the way "
                    "and finds the password has all that was sent",
                    account.address.text(), account.user, to_string(grade_of(spec, Grade::full)))};
  }
  const BrokerSettings settings = broker_settings(spec, {});
  return {
      spec.text, "tcp " + settings.stream.at.address.text(),
      fmt::format("who is in {} may draw and deliver (credited {}), grade {}; whoever listens "
                  "on the way can try passwords at leisure, and has with one all that was "
                  "sent: keep it on a network of your own",
                  settings.users_file,
                  settings.claim.credit ? fmt::format("{:g} bits a byte", settings.claim.h) : "0",
                  to_string(settings.stream.grade))};
}

struct Type {
  std::string_view name;
  std::string_view options;
  std::string_view summary;
  std::unique_ptr<Outlet> (*make)(const Spec&, const OutletDefaults&, const OutletServices&);
  OutletDescription (*describe)(const Spec&);
};

constexpr std::array types{
    Type{"https", "access cert key ca grade rate burst weight", "the HTTP API over TLS 1.3",
         make_http, describe_http},
    Type{"http", "access grade rate burst weight", "the HTTP API", make_http, describe_http},
    Type{"trickle", "rate burst weight", "seeds by UDP (docs/trickle.md)",
         [](const Spec& s, const OutletDefaults& d,
            const OutletServices& services) -> std::unique_ptr<Outlet> {
           return std::make_unique<TrickleOutlet>(trickle_settings(s, d), services);
         },
         [](const Spec& s) -> OutletDescription {
           return {s.text, "udp " + trickle_settings(s, {}).address.text(),
                   "who has a cookie from a session over https may draw"};
         }},
    Type{"egd", "grade mode group connections access rate burst weight",
         "EGD, on a UNIX socket or //HOST:PORT (docs/protocols/egd.md)",
         [](const Spec& s, const OutletDefaults& d,
            const OutletServices& services) -> std::unique_ptr<Outlet> {
           return make_egd(stream_settings(s, d, egd_port), services);
         },
         [](const Spec& s) { return describe_stream(stream_settings(s, {}, egd_port)); }},
    Type{"raw", "grade mode group connections access rate burst weight",
         "bytes for whoever connects, on a UNIX socket or //HOST:PORT",
         [](const Spec& s, const OutletDefaults& d,
            const OutletServices& services) -> std::unique_ptr<Outlet> {
           return make_raw(stream_settings(s, d, std::nullopt), services);
         },
         [](const Spec& s) { return describe_stream(stream_settings(s, {}, std::nullopt)); }},
    Type{"rngnet", "bytes every grade rate burst weight",
         "datagrams to rngnet receivers: HOST:PORT,HOST:PORT (docs/protocols/rngnet.md)",
         [](const Spec& s, const OutletDefaults&,
            const OutletServices& services) -> std::unique_ptr<Outlet> {
           return std::make_unique<Rngnet>(s.text, rngnet_recipients(s), rngnet_schedule(s),
                                           services);
         },
         [](const Spec& s) -> OutletDescription {
           const Schedule schedule = rngnet_schedule(s);
           return {s.text, s.text,
                   fmt::format("{} bytes every {} to {} recipients in turn, in the clear: whoever "
                               "listens on the way has them too",
                               schedule.bytes, format_duration(schedule.every),
                               rngnet_recipients(s).size())};
         }},
    Type{"netrng", "bytes clients announce grade connections access rate burst weight",
         "NetRNG: //ADDR:8989 (docs/protocols/netrng.md)",
         [](const Spec& s, const OutletDefaults& d, const OutletServices& services)
             -> std::unique_ptr<Outlet> { return make_netrng(netrng_settings(s, d), services); },
         describe_netrng},
    Type{"broker", "users cipher mac hash h credit grade connections access rate burst weight",
         "Entropy Broker: //HOST:PORT for its consumers and producers; //USER:PASSFILE@HOST:PORT "
         "delivers to one (docs/protocols/broker.md)",
         [](const Spec& s, const OutletDefaults& d,
            const OutletServices& services) -> std::unique_ptr<Outlet> {
           if (is_account(s)) {
             return std::make_unique<BrokerProducer>(
                 s.text, broker_account(s), grade_of(s, Grade::full), terms_of(s), services);
           }
           return std::make_unique<Broker>(broker_settings(s, d), services);
         },
         describe_broker},
    Type{"kernel", "every bytes rate burst weight", "the local kernel's pool",
         [](const Spec& s, const OutletDefaults& d,
            const OutletServices& services) -> std::unique_ptr<Outlet> {
           return std::make_unique<KernelPool>(s.text, schedule_of(s, d.schedule), services);
         },
         describe_scheduled},
    Type{"file", "every bytes rate burst weight", "a boot seed",
         [](const Spec& s, const OutletDefaults& d,
            const OutletServices& services) -> std::unique_ptr<Outlet> {
           return std::make_unique<SeedFile>(s.text, require_target(s), schedule_of(s, d.schedule),
                                             services);
         },
         [](const Spec& s) {
           require_target(s);
           return describe_scheduled(s);
         }},
    Type{"stdout", "every bytes rate burst weight", "raw bytes on standard output",
         [](const Spec& s, const OutletDefaults& d,
            const OutletServices& services) -> std::unique_ptr<Outlet> {
           return std::make_unique<StandardOutput>(s.text, schedule_of(s, d.schedule), services);
         },
         describe_scheduled},
    Type{"fifo", "grade rate burst weight", "whoever reads a FIFO",
         [](const Spec& s, const OutletDefaults&,
            const OutletServices& services) -> std::unique_ptr<Outlet> {
           return std::make_unique<Fifo>(s.text, require_target(s), grade_of(s, Grade::full),
                                         terms_of(s), services);
         },
         [](const Spec& s) -> OutletDescription {
           return {s.text, require_target(s),
                   fmt::format("grade {}, to whoever may open it",
                               to_string(grade_of(s, Grade::full)))};
         }},
};

Spec parse(const std::string& text) {
  auto spec = wire::parse_spec(text);
  if (!spec) throw Failure(spec.error().message);
  return *spec;
}

const Type& type_of(const Spec& spec) {
  for (const Type& type : types) {
    if (type.name != spec.type) continue;
    const std::string known = fmt::format(" {} ", type.options);
    for (const auto& [key, value] : spec.options) {
      if (known.find(fmt::format(" {} ", key)) == std::string::npos) {
        throw Failure(
            fmt::format("{}: unknown option '{}'; known here: {}", spec.text, key, type.options));
      }
    }
    return type;
  }
  std::string known;
  for (const Type& type : types) known += fmt::format("{}{}", known.empty() ? "" : ", ", type.name);
  throw Failure(fmt::format("unknown outlet '{}': known are {}", spec.type, known));
}

}  // namespace

OutletDescription describe_outlet(const std::string& text) {
  const Spec spec = parse(text);
  OutletDescription description = type_of(spec).describe(spec);
  const share::Terms terms = terms_of(spec);
  if (terms.rate > 0) {
    description.note += "; promised " + format_rate(static_cast<double>(terms.rate));
  }
  if (terms.weight != 1) description.note += fmt::format("; weight {:g}", terms.weight);
  return description;
}

std::unique_ptr<Outlet> make_outlet(const std::string& text, const OutletDefaults& defaults,
                                    const OutletServices& services) {
  const Spec spec = parse(text);
  return type_of(spec).make(spec, defaults, services);
}

std::vector<std::string> default_outlets() {
  std::vector<std::string> outlets{"http://127.0.0.1:7748"};
  // As open as HTTP on loopback is. No user can take the others' share, nor all connections.
  const std::string directory = run_directory();
  if (!directory.empty()) outlets.push_back("egd:" + directory + "/egd?mode=0666");
  return outlets;
}

std::vector<std::string> outlet_help() {
  std::vector<std::string> lines;
  for (const Type& type : types) {
    lines.push_back(fmt::format("{:<8}{} ({})", type.name, type.summary, type.options));
  }
  return lines;
}

}  // namespace qanat::outlets
