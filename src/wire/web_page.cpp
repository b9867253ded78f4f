#include "wire/web_page.h"

#include <algorithm>

#include "base/quantity.h"

namespace qanat::wire {
namespace {

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool all_of(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

// "80" of "host:80" is taken off; false when there is something else.
bool take_port(std::string_view& host) {
  const auto colon = host.find_last_of(":]");
  if (colon == std::string_view::npos || host[colon] == ']') return true;
  const std::string_view port = host.substr(colon + 1);
  host = host.substr(0, colon);
  return port.empty() || all_of(port, "0123456789");
}

bool is_ipv4(std::string_view host) {
  constexpr unsigned most = 255;
  for (int part = 0; part < 4; ++part) {
    const std::string_view number = host.substr(0, host.find('.'));
    const auto value = parse_number<unsigned>(number);
    if (!all_of(number, "0123456789") || !value || *value > most) return false;
    host.remove_prefix(number.size());
    if (part == 3) return host.empty();
    if (host.empty()) return false;
    host.remove_prefix(1);
  }
  return false;
}

bool is_bracketed_ipv6(std::string_view host) {
  return host.size() > 2 && host.front() == '[' && host.back() == ']' &&
         all_of(host.substr(1, host.size() - 2), "0123456789abcdef:.");
}

}  // namespace

bool is_own_host(std::string_view host, const std::vector<std::string>& names) {
  const std::string lower = lower_case(host);
  std::string_view name = lower;
  if (!take_port(name)) return false;
  return is_ipv4(name) || is_bracketed_ipv6(name) || name == "localhost" ||
         std::find(names.begin(), names.end(), name) != names.end();
}

bool from_another_site(std::string_view fetch_site, std::string_view origin,
                       std::string_view host) {
  // "none": the person typed it.
  if (!fetch_site.empty() && fetch_site != "same-origin" && fetch_site != "none") return true;
  if (origin.empty()) return false;
  const std::string from = lower_case(origin);
  const std::string own = lower_case(host);
  return from != "http://" + own && from != "https://" + own;
}

}  // namespace qanat::wire
