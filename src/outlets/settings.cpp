#include "outlets/settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "base/quantity.h"
#include "machine/kernel_random.h"
#include "spec/options.h"
#include "wire/netrng.h"
#include "wire/rngnet.h"

namespace qanat::outlets {

using spec::Grade;
using spec::Spec;

namespace {

// A hardware RNG's driver holds 32 bytes of pool for 256 bits: never fewer at once.
constexpr std::size_t min_feed_bytes = 32;
constexpr std::size_t max_feed_bytes = machine::most_kernel_bytes;

// One user, or one block of addresses, at one outlet: as many guests as a large host has, with
// room.
constexpr std::size_t usual_peer_connections = 1000;

// One guest: it needs one, and may begin others before the host has noticed the end of the first.
constexpr std::size_t usual_guest_connections = 16;

// What producers deliver is somebody's word: as of an EGD, and credited only by the operator's.
constexpr double usual_inflow_h = 4;

// "//HOST:PORT" is TCP; a path is a UNIX socket, with mode= and group=. Who draws there has no
// name: loopback, unless the operator says access=open.
serve::StreamAddress stream_address(const Spec& spec, std::optional<std::uint16_t> usual_port) {
  serve::StreamAddress at;
  const auto mode = spec.option("mode");
  at.unix_group = spec.option("group").value_or("");
  if (!spec.target.starts_with("//")) {
    at.unix_path = require_target(spec);
    if (!mode) return at;
    const auto number = parse_number<unsigned>(*mode, 8);
    if (!number || *number > 0777) {
      throw Failure(
          fmt::format("{}: mode={} is not an octal mode; write it like 0660", spec.text, *mode));
    }
    at.unix_mode = *number;
    return at;
  }
  auto address = spec::parse_address(spec.target, usual_port);
  if (!address) throw Failure(fmt::format("{}: {}", spec.text, address.error().message));
  at.address = *address;
  if (mode || !at.unix_group.empty()) {
    throw Failure(fmt::format("{}: mode= and group= belong to a UNIX socket", spec.text));
  }
  const std::string access = spec.option("access").value_or("");
  const bool passwords = spec.type == "broker";
  if (passwords && access.empty() && !spec::is_loopback(at.address.host)) {
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
  if (access.empty() && !spec::is_loopback(at.address.host)) {
    throw Failure(fmt::format(
        "{}: {} cannot tell who draws, and {} is beyond loopback; write access=open if everybody "
        "who reaches it may draw",
        spec.text, spec.type, at.address.text()));
  }
  return at;
}

// What one block of addresses, and one client, may have of an outlet's connections.
void share_out(serve::Limits& limits, const Spec& spec, std::size_t usual) {
  constexpr std::size_t part_of_a_client = 8;
  constexpr std::size_t least_of_a_client = 8;
  limits.peer_connections =
      spec::count_of(spec, "connections").value_or(std::max<std::size_t>(usual, 1));
  limits.client_connections = std::max(least_of_a_client, limits.connections / part_of_a_client);
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

}  // namespace

Grade grade_of(const Spec& spec, Grade usual) {
  const auto text = spec.option("grade");
  if (!text) return usual;
  const auto grade = spec::parse_grade(*text);
  if (!grade) throw Failure(fmt::format("{}: grade={} is neither full nor drbg", spec.text, *text));
  return *grade;
}

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
    const auto weight = parse_number<double>(*text);
    if (!weight) throw Failure(fmt::format("{}: weight={} is not a number", spec.text, *text));
    terms.weight = *weight;
  }
  if (auto possible = share::check(terms); !possible) {
    throw Failure(fmt::format("{}: {}", spec.text, possible.error().message));
  }
  return terms;
}

serve::Schedule schedule_of(const Spec& spec, serve::Schedule schedule) {
  schedule.terms = terms_of(spec);
  schedule.every = spec::duration_of(spec, "every", schedule.every, std::chrono::seconds(1));
  schedule.bytes = spec::size_of(spec, "bytes", schedule.bytes, min_feed_bytes, max_feed_bytes);
  schedule.grade = grade_of(spec, schedule.grade);
  return schedule;
}

// A datagram a second, unless told otherwise: nobody says when it is enough.
serve::Schedule rngnet_schedule(const Spec& spec) {
  using namespace wire::rngnet;
  serve::Schedule schedule{std::chrono::seconds(1), usual_bytes, terms_of(spec),
                           grade_of(spec, Grade::full)};
  schedule.every = spec::duration_of(spec, "every", schedule.every, Duration::zero());
  schedule.bytes = spec::size_of(spec, "bytes", schedule.bytes, least_bytes, most_bytes);
  return schedule;
}

std::vector<spec::Address> rngnet_recipients(const Spec& spec) {
  auto recipients = wire::rngnet::parse_recipients(spec.target);
  if (!recipients) throw Failure(fmt::format("{}: {}", spec.text, recipients.error().message));
  return std::move(*recipients);
}

std::string require_target(const Spec& spec) {
  if (spec.target.empty()) {
    throw Failure(fmt::format("'{}' does not say which; write {}:PATH", spec.text, spec.type));
  }
  return spec.target;
}

namespace {

// "host=hub,hub.lan": names that a Host field may have, beside addresses and localhost.
std::vector<std::string> host_names(const Spec& spec) {
  std::vector<std::string> names;
  const auto text = spec.option("host");
  if (!text) return names;
  for (std::string_view rest = *text;;) {
    std::string name(rest.substr(0, rest.find(',')));
    rest.remove_prefix(name.size());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (name.empty() ||
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_") != std::string::npos) {
      throw Failure(fmt::format(
          "{}: host={} is not a list of names; write it like host=hub,hub.lan", spec.text, *text));
    }
    names.push_back(std::move(name));
    if (rest.empty()) return names;
    rest.remove_prefix(1);
  }
}

}  // namespace

HttpSettings http_settings(const Spec& spec, const OutletDefaults& defaults) {
  HttpSettings settings;
  settings.name = spec.text;
  settings.tls = spec.type == "https";
  settings.api = defaults.api;
  settings.limits = defaults.http;
  share_out(settings.limits, spec, settings.limits.peer_connections);
  settings.pollen_grade = grade_of(spec, Grade::full);
  settings.terms = terms_of(spec);
  settings.certificate_file = spec.option("cert");
  settings.key_file = spec.option("key");
  settings.ca_file = spec.option("ca");
  auto address = spec::parse_address(spec.target, settings.tls ? 7749 : 7748);
  if (!address) throw Failure(fmt::format("{}: {}", spec.text, address.error().message));
  settings.address = *address;
  settings.hosts = host_names(spec);
  if (!settings.tls && (settings.certificate_file || settings.key_file || settings.ca_file)) {
    throw Failure(fmt::format("{}: cert=, key= and ca= belong to https", spec.text));
  }
  const bool loopback = spec::is_loopback(settings.address.host);
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
    throw Failure(fmt::format("{}: access={} is not one of open, join, ca", spec.text, access));
  }
  if (!settings.tls && settings.access != Access::open) {
    if (spec.option("access")) {
      throw Failure(fmt::format("{}: access={}: plain http cannot tell who draws; use https://",
                                spec.text, access));
    }
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

TrickleSettings trickle_settings(const Spec& spec, const OutletDefaults& defaults) {
  auto address = spec::parse_address(spec.target, 7749);
  if (!address) throw Failure(fmt::format("{}: {}", spec.text, address.error().message));
  return {spec.text, *address, defaults.http, terms_of(spec)};
}

namespace {

serve::StreamSettings stream_settings_at(const Spec& spec, const OutletDefaults& defaults,
                                         serve::StreamAddress at, std::size_t usual_connections) {
  serve::StreamSettings settings{spec.text, std::move(at), grade_of(spec, Grade::full),
                                 terms_of(spec), defaults.http};
  share_out(settings.limits, spec, std::min(usual_connections, settings.limits.peer_connections));
  return settings;
}

}  // namespace

serve::StreamSettings stream_settings(const Spec& spec, const OutletDefaults& defaults,
                                      std::optional<std::uint16_t> usual_port) {
  return stream_settings_at(spec, defaults, stream_address(spec, usual_port),
                            usual_peer_connections);
}

serve::StreamSettings vmport_settings(const Spec& spec, const OutletDefaults& defaults) {
  if (spec.target.starts_with("//")) {
    throw Failure(
        fmt::format("{}: a hypervisor connects to a UNIX socket; write vmport:PATH", spec.text));
  }
  return stream_settings_at(spec, defaults, stream_address(spec, std::nullopt),
                            usual_guest_connections);
}

serve::StreamSettings vsock_settings(const Spec& spec, const OutletDefaults& defaults) {
  const auto port = spec::parse_vsock_port(spec.target);
  if (!port) {
    throw Failure(
        fmt::format("{}: '{}' is not a vsock port; write vsock:774", spec.text, spec.target));
  }
  serve::StreamAddress at;
  at.vsock_port = *port;
  return stream_settings_at(spec, defaults, std::move(at), usual_guest_connections);
}

NetrngSettings netrng_settings(const Spec& spec, const OutletDefaults& defaults) {
  NetrngSettings settings;
  if (!spec.target.starts_with("//")) {
    throw Failure(fmt::format("{}: write netrng://ADDR:PORT", spec.text));
  }
  settings.stream = stream_settings(spec, defaults, wire::netrng::usual_port);
  settings.sample_bytes =
      spec::size_of(spec, "bytes", settings.sample_bytes, 16, wire::netrng::most_sample);
  if (const auto clients = spec::count_of(spec, "clients")) {
    settings.stream.limits.connections = *clients;
    settings.stream.limits.wait_for_room = true;
  }
  settings.announce = spec::yes_or_no(spec, "announce", false);
  if (settings.announce && spec::is_loopback(settings.stream.at.address.host)) {
    throw Failure(fmt::format("{}: announce=yes, and nobody else can reach {}", spec.text,
                              settings.stream.at.address.text()));
  }
  return settings;
}

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
  settings.claim = spec::claim_of(spec, {usual_inflow_h, false});
  return settings;
}

bool is_account(const Spec& spec) { return spec.target.find('@') != std::string::npos; }

wire::broker::Account broker_account(const Spec& spec) {
  auto account = wire::broker::parse_account(spec.target);
  if (!account) throw Failure(fmt::format("{}: {}", spec.text, account.error().message));
  return std::move(*account);
}

}  // namespace qanat::outlets
