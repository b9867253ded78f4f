// Where an outlet over connections listens, and how its options say so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "serve/limits.h"
#include "share/terms.h"
#include "spec/address.h"
#include "spec/grade.h"
#include "spec/obstacle.h"
#include "spec/spec.h"

namespace qanat::serve {

// A UNIX socket when `unix_path` is not empty, a vsock port when that is not 0, else TCP.
struct StreamAddress {
  std::string unix_path;
  unsigned unix_mode = 0600;
  std::string unix_group;  // empty: the process's
  spec::Address address;
  std::uint32_t vsock_port = 0;

  // "/run/qanat/egd", "vsock port 774", "127.0.0.1:8888".
  std::string text() const;
  // The same where no two outlets may be: "tcp 127.0.0.1:8888".
  std::string place() const;
  // Adds why nobody could listen there now; `name`: of the outlet, for messages.
  void look(const std::string& name, spec::Obstacles& found) const;
};

// Of an outlet whose protocol cannot tell who draws.
struct StreamSettings {
  std::string name;  // as configured
  StreamAddress at;
  spec::Grade grade = spec::Grade::full;
  share::Terms terms;
  Limits limits;

  // "mode 0600, grade full", "whoever reaches it may draw, grade drbg".
  std::string note() const;
};

// What differs from protocol to protocol.
struct StreamRules {
  std::optional<std::uint16_t> usual_port = std::nullopt;  // none: it must be written
  // One user, or one block of addresses, at one outlet: as many guests as a large host has, with
  // room.
  std::size_t usual_connections = 1000;
  // Its peers show a password, and the operator has said that this is enough for his network: it
  // may listen beyond loopback.
  bool guarded = false;
};
// One guest: it needs one, and may begin others before the host has noticed the end of the first.
inline constexpr std::size_t usual_guest_connections = 16;

// "//HOST:PORT" is TCP; a path is a UNIX socket, with mode= and group=. Throws Failure for a value
// that is wrong, and for an address beyond loopback without access=open.
StreamSettings read_stream(const spec::Spec& spec, const Limits& limits, const StreamRules& rules);
// "vsock:PORT".
StreamSettings read_vsock(const spec::Spec& spec, const Limits& limits);

}  // namespace qanat::serve
