// Where something listens or is reached, as names of sources and outlets and URLs write it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace qanat::spec {

struct Address {
  std::string host;  // a name, an IPv4 or an IPv6 address (without brackets)
  std::uint16_t port = 0;

  // "host:port", "[2001:db8::1]:port"; a service's name alone.
  std::string text() const;
  bool operator==(const Address&) const = default;
};

// Accepts "host:port", "[v6]:port" and, when a default port is given, either without its port.
// A leading "//" and a trailing "/" (of a URL) are allowed.
Result<Address> parse_address(std::string_view text,
                              std::optional<std::uint16_t> default_port = std::nullopt);

// A port of a hypervisor or a guest (vsock(7)).
struct VsockAddress {
  static constexpr std::uint32_t host_cid = 2;
  std::uint32_t cid = host_cid;  // 2 is the hypervisor, 1 this machine itself
  std::uint32_t port = 0;

  // "vsock:2:774"
  std::string text() const;
  bool operator==(const VsockAddress&) const = default;
};
// A port in decimal: neither 0 nor all ones, which is the wildcard (VMADDR_PORT_ANY).
std::optional<std::uint32_t> parse_vsock_port(std::string_view text);
// "CID:PORT", both in decimal.
Result<VsockAddress> parse_vsock_address(std::string_view text);

// "_qanat._tcp.example.org": hosts and ports are found under it (net/discover.h); it has none
// itself.
bool is_service_name(std::string_view host);
inline constexpr std::string_view service_prefix = "_qanat._tcp.";

// 127.0.0.0/8, ::1 and "localhost".
bool is_loopback(std::string_view host);

}  // namespace qanat::spec
