#include "wire/spec.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/quantity.h"

namespace qanat::wire {
namespace {

using Options = std::map<std::string, std::string, std::less<>>;

bool is_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// nullopt when `text` is not a list of key=value pairs.
std::optional<Options> parse_options(std::string_view text) {
  Options options;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || !is_key(pair.substr(0, equals))) return std::nullopt;
    const auto value = percent_decode(pair.substr(equals + 1), false);
    if (!value) return std::nullopt;
    if (!options.emplace(pair.substr(0, equals), *value).second) return std::nullopt;
  }
  return options;
}

// What stands in brackets: an IPv6 address, perhaps with its zone ("fe80::1%eth0", RFC 4007).
bool is_ipv6(std::string_view text) {
  const auto percent = text.find('%');
  if (percent != std::string_view::npos && percent + 1 == text.size()) return false;
  in6_addr address{};
  return inet_pton(AF_INET6, std::string(text.substr(0, percent)).c_str(), &address) == 1;
}

}  // namespace

std::optional<std::string> Spec::option(std::string_view key) const {
  const auto found = options.find(key);
  if (found == options.end()) return std::nullopt;
  return found->second;
}

Result<Spec> parse_spec(std::string_view text) {
  Spec spec;
  spec.text = text;
  std::string_view head = text;
  if (const auto mark = text.rfind('?'); mark != std::string_view::npos) {
    if (auto options = parse_options(text.substr(mark + 1)); options && !options->empty()) {
      spec.options = std::move(*options);
      head = text.substr(0, mark);
    }
  }
  const auto colon = head.find(':');
  spec.type = head.substr(0, colon);
  if (colon != std::string_view::npos) spec.target = head.substr(colon + 1);
  if (!is_key(spec.type)) {
    return error(fmt::format(
        "'{}' is not a source or an outlet: write TYPE[:TARGET][?option=value&...], such as "
        "device:/dev/ttyUSB0?baud=115200",
        text));
  }
  return spec;
}

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

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const auto byte = from_hex(text.substr(i + 1, 2));
      if (!byte || byte->size() != 1) return std::nullopt;
      out.push_back(static_cast<char>(byte->front()));
      i += 2;
    } else {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

}  // namespace qanat::wire
