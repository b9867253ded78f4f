#include "spec/address.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>

#include "base/quantity.h"

namespace qanat::spec {
namespace {

// What stands in brackets: an IPv6 address, perhaps with its zone ("fe80::1%eth0", RFC 4007).
bool is_ipv6(std::string_view text) {
  const auto percent = text.find('%');
  if (percent != std::string_view::npos && percent + 1 == text.size()) return false;
  in6_addr address{};
  return inet_pton(AF_INET6, std::string(text.substr(0, percent)).c_str(), &address) == 1;
}

}  // namespace

std::string Address::text() const {
  if (is_service_name(host)) return host;
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Result<Address> parse_address(std::string_view text, std::optional<std::uint16_t> default_port) {
  if (text.starts_with("//")) text.remove_prefix(2);
  const std::string_view whole = text;
  const auto bad = [whole] {
    return error(fmt::format("'{}' is not an address: write HOST:PORT or [IPV6]:PORT", whole));
  };
  if (text.ends_with('/')) text.remove_suffix(1);
  Address address;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return bad();
    address.host = text.substr(1, close - 1);
    if (!is_ipv6(address.host)) return bad();
    port = text.substr(close + 1);
    if (!port.empty() && !port.starts_with(':')) return bad();
  } else {
    const auto colon = text.find(':');
    if (colon != std::string_view::npos && text.find(':', colon + 1) != std::string_view::npos) {
      return bad();  // an IPv6 address without brackets
    }
    address.host = text.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
  }
  const bool host_ok = !address.host.empty() && address.host.size() <= 253 &&
                       std::all_of(address.host.begin(), address.host.end(), [](char c) {
                         constexpr std::string_view others = "/@?#[]";
                         return c > 0x20 && c < 0x7f && others.find(c) == std::string_view::npos;
                       });
  if (!host_ok) return bad();
  if (is_service_name(address.host)) {
    if (!port.empty()) return bad();
    return address;
  }
  if (port.empty()) {
    if (!default_port) return bad();
    address.port = *default_port;
    return address;
  }
  const auto number = parse_number<std::uint16_t>(port.substr(1));
  if (!number) {
    return error(fmt::format("'{}' in '{}' is not a port: write a number from 0 to 65535",
                             port.substr(1), whole));
  }
  address.port = *number;
  return address;
}

std::string VsockAddress::text() const { return fmt::format("vsock:{}:{}", cid, port); }

namespace {

// VMADDR_CID_ANY, VMADDR_PORT_ANY.
constexpr std::uint32_t any_vsock = 0xffffffff;

}  // namespace

std::optional<std::uint32_t> parse_vsock_port(std::string_view text) {
  const auto port = parse_number<std::uint32_t>(text);
  return port && *port != 0 && *port != any_vsock ? port : std::nullopt;
}

Result<VsockAddress> parse_vsock_address(std::string_view text) {
  const auto colon = text.find(':');
  const auto cid = parse_number<std::uint32_t>(text.substr(0, colon));
  const auto port =
      colon == std::string_view::npos ? std::nullopt : parse_vsock_port(text.substr(colon + 1));
  if (!cid || !port || *cid == any_vsock) {
    return error(fmt::format(
        "'{}' is not a vsock address: write CID:PORT, such as 2:774 for the hypervisor", text));
  }
  return VsockAddress{*cid, *port};
}

bool is_service_name(std::string_view host) {
  return host.starts_with(service_prefix) && host.size() > service_prefix.size();
}

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  // Of the form 127.a.b.c: a name such as 127.example.org must not pass.
  return host.starts_with("127.") && std::count(host.begin(), host.end(), '.') == 3 &&
         std::all_of(host.begin(), host.end(),
                     [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

}  // namespace qanat::spec
