#include "serve/stream_settings.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/quantity.h"
#include "net/listen.h"
#include "serve/options.h"
#include "spec/options.h"

namespace qanat::serve {
namespace {

StreamAddress read_unix(const spec::Spec& spec) {
  StreamAddress at;
  at.unix_group = spec.option("group").value_or("");
  at.unix_path = spec::require_target(spec);
  const auto mode = spec.option("mode");
  if (!mode) return at;
  const auto number = parse_number<unsigned>(*mode, 8);
  if (!number || *number > 0777) {
    throw Failure(
        fmt::format("{}: mode={} is not an octal mode; write it like 0660", spec.text, *mode));
  }
  at.unix_mode = *number;
  return at;
}

StreamAddress read_tcp(const spec::Spec& spec, const StreamRules& rules) {
  StreamAddress at;
  at.address = spec::require_address(spec, rules.usual_port);
  if (spec.option("mode") || !spec.option("group").value_or("").empty()) {
    throw Failure(fmt::format("{}: mode= and group= belong to a UNIX socket", spec.text));
  }
  if (rules.guarded) return at;
  const std::string access = spec.option("access").value_or("");
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

StreamSettings settings_at(const spec::Spec& spec, const Limits& limits, StreamAddress at,
                           std::size_t usual_connections) {
  StreamSettings settings{spec.text, std::move(at), spec::grade_of(spec, spec::Grade::full),
                          terms_of(spec), limits};
  share_out(settings.limits, spec, std::min(usual_connections, settings.limits.peer_connections));
  return settings;
}

}  // namespace

std::string StreamAddress::text() const {
  if (vsock_port != 0) return fmt::format("vsock port {}", vsock_port);
  return unix_path.empty() ? address.text() : unix_path;
}

std::string StreamAddress::place() const {
  return (unix_path.empty() && vsock_port == 0 ? "tcp " : "") + text();
}

void StreamAddress::look(const std::string& name, spec::Obstacles& found) const {
  const auto named = [&name](const auto& attempt) {
    return [&name, &attempt] {
      try {
        attempt();
      } catch (const Failure& problem) {
        throw Failure(fmt::format("{}: {}", name, problem.what()));
      }
    };
  };
  const auto listen = [this] {
    if (vsock_port != 0) return net::try_vsock(vsock_port);
    return unix_path.empty() ? net::try_tcp(address) : net::try_unix(unix_path);
  };
  attempt_into(found, "", named(listen), spec::Obstacle::Kind::taken);
  if (unix_group.empty()) return;
  attempt_into(found, "group", named([this] { net::try_group(unix_group); }));
}

std::string StreamSettings::note() const {
  std::string who = "whoever reaches it may draw";
  if (at.vsock_port != 0) {
    who = "every guest of this machine may draw";
  } else if (!at.unix_path.empty()) {
    constexpr unsigned others = 07;
    who = (at.unix_mode & others) != 0
              ? "every user of this machine may draw"
              : fmt::format("mode {:04o}{}", at.unix_mode,
                            at.unix_group.empty() ? "" : ", group " + at.unix_group);
  }
  return fmt::format("{}, grade {}", who, to_string(grade));
}

StreamSettings read_stream(const spec::Spec& spec, const Limits& limits, const StreamRules& rules) {
  return settings_at(spec, limits,
                     spec.target.starts_with("//") ? read_tcp(spec, rules) : read_unix(spec),
                     rules.usual_connections);
}

StreamSettings read_vsock(const spec::Spec& spec, const Limits& limits) {
  const auto port = spec::parse_vsock_port(spec.target);
  if (!port) {
    throw Failure(
        fmt::format("{}: '{}' is not a vsock port; write vsock:774", spec.text, spec.target));
  }
  StreamAddress at;
  at.vsock_port = *port;
  return settings_at(spec, limits, std::move(at), usual_guest_connections);
}

}  // namespace qanat::serve
