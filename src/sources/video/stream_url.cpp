#include "sources/video/stream_url.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/shown.h"

namespace qanat::sources::video {
namespace {

// Ours; any other is the camera's.
constexpr std::array<std::string_view, 3> options{"h", "credit", "ca"};

constexpr std::string_view scheme_end = "://";
// A value ends before one of these, where it stands in a query or, at some cameras, in the path.
constexpr std::string_view value_end = "&;?/#";
// Names of values that are no secrets, those of our own options among them.
constexpr std::array<std::string_view, 35> harmless{
    "action",     "buffer_size", "ca",      "cam",        "camera",    "ch",         "chan",
    "channel",    "clock",       "codec",   "credit",     "fifo_size", "fps",        "h",
    "height",     "id",          "listen",  "mode",       "pkt_size",  "profile",    "proto",
    "quality",    "rate",        "res",     "resolution", "size",      "stream",     "streamid",
    "streamtype", "subtype",     "timeout", "type",       "unicast",   "videocodec", "width"};

struct Scheme {
  std::string_view name;
  std::uint16_t port;  // 0: must be written
  std::string_view protocols;
};
// HTTP is not followed elsewhere (stream.cpp), and RTSP asks for its pictures on the same
// connection.
constexpr std::array schemes{Scheme{"http", 80, "http,tcp"},
                             Scheme{"https", 443, "https,tls,tcp"},
                             Scheme{"rtsp", 554, "rtsp,rtp,tcp"},
                             Scheme{"rtsps", 322, "rtsps,rtsp,rtp,tls,tcp"},
                             Scheme{"tcp", 0, "tcp"},
                             Scheme{"udp", 0, "udp"}};

const Scheme* find_scheme(std::string_view name) {
  const auto* const found = std::find_if(
      schemes.begin(), schemes.end(), [name](const Scheme& known) { return known.name == name; });
  return found == schemes.end() ? nullptr : found;
}

// Calls `see` with each value that must not be shown, in order, and what is before it.
template <typename See>
void each_secret(std::string_view text, const See& see) {
  std::size_t at = text.find(scheme_end);
  if (at == std::string_view::npos) return see(std::string_view(), text);
  at += scheme_end.size();
  std::size_t shown_from = 0;
  const auto hide = [&](std::size_t begin, std::size_t end) {
    see(text.substr(begin, end - begin), text.substr(shown_from, begin - shown_from));
    shown_from = end;
  };
  // The last one of all: a password may have another, or a '/', where it should have been escaped.
  if (const auto name = text.rfind('@'); name != std::string_view::npos && name >= at) {
    if (name > at) hide(at, name);
    at = name + 1;
  }
  for (std::size_t equals; (equals = text.find('=', at)) != std::string_view::npos;) {
    const auto before = text.find_last_of(value_end, equals);
    const std::string_view key = text.substr(before + 1, equals - before - 1);
    at = std::min(text.find_first_of(value_end, equals), text.size());
    const bool known = std::find(harmless.begin(), harmless.end(), key) != harmless.end() &&
                       text.substr(equals + 1, at - equals - 1).find('=') == std::string_view::npos;
    if (!known && equals + 1 < at) hide(equals + 1, at);
  }
  see(std::string_view(), text.substr(shown_from));
}

}  // namespace

bool is_url(std::string_view target) { return target.find(scheme_end) != std::string_view::npos; }

std::string without_secrets(std::string_view text) {
  std::string shown;
  each_secret(text, [&](std::string_view secret, std::string_view before) {
    shown += before;
    if (!secret.empty()) shown += "..";
  });
  return shown;
}

spec::Spec with_own_query(spec::Spec spec) {
  if (!is_url(spec.target)) {
    // A URL whose "://" is mistyped may hold a password.
    const auto name = spec.text.rfind('@');
    const std::size_t type = spec.type.size() + 1;
    if (name != std::string::npos && name > type && !spec.target.starts_with('/')) {
      spec.text.replace(type, name - type, "..");
    }
    return spec;
  }
  // A text from which a PIN was taken is another, and shorter.
  const std::size_t before = std::min(spec.text.size(), spec.type.size() + 1 + spec.target.size());
  std::string_view query = std::string_view(spec.text).substr(before);
  query.remove_prefix(std::min<std::size_t>(query.size(), 1));
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::string_view key = pair.substr(0, pair.find('='));
    if (std::find(options.begin(), options.end(), key) != options.end()) continue;
    spec.options.erase(std::string(key));
    spec.target += spec.target.find('?') == std::string::npos ? '?' : '&';
    spec.target += pair;
  }
  if (spec.target.ends_with('?')) spec.target.pop_back();
  spec.text = without_secrets(spec.text);
  return spec;
}

Result<StreamUrl> parse_stream_url(const std::string& text) {
  StreamUrl url{.text = text, .shown = without_secrets(text), .scheme = {}, .address = {}};
  const auto end = text.find(scheme_end);
  url.scheme = text.substr(0, end);
  const Scheme* const scheme = find_scheme(url.scheme);
  if (scheme == nullptr) {
    return error(
        fmt::format("{}: of cameras in the network those of http, https, rtsp, rtsps, tcp "
                    "and udp are read, not of '{}'",
                    url.shown, shown(url.scheme)));
  }
  std::string_view host = std::string_view(text).substr(end + scheme_end.size());
  host = host.substr(0, host.find_first_of("/?#"));
  if (const auto at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
  auto address =
      spec::parse_address(host, scheme->port == 0 ? std::nullopt : std::optional(scheme->port));
  if (!address) {
    return error(
        fmt::format("{}: write {}://HOST:PORT/PATH, and '@' or '/' in a password as %40 "
                    "or %2F",
                    url.shown, url.scheme));
  }
  url.address = std::move(*address);
  return url;
}

std::string StreamUrl::protocols() const {
  const Scheme* const known = find_scheme(scheme);
  return std::string(known == nullptr ? "" : known->protocols);
}

bool StreamUrl::safe() const {
  return scheme == "https" || (scheme != "udp" && spec::is_loopback(address.host));
}

std::string cleaned_message(const StreamUrl& url, std::string_view message) {
  bool secret_there = false;
  each_secret(url.text, [&](std::string_view secret, std::string_view) {
    // "user:password", and each of them.
    while (!secret.empty()) {
      const std::string_view part = secret.substr(0, secret.find(':'));
      const auto decoded = spec::percent_decode(part, false);
      const auto there = [message](std::string_view word) {
        return !word.empty() && message.find(word) != std::string_view::npos;
      };
      secret_there = secret_there || there(part) || (decoded && there(*decoded));
      secret.remove_prefix(std::min(secret.size(), part.size() + 1));
    }
  });
  if (secret_there) return "";
  std::string clean;
  while (!message.empty()) {
    const std::string_view word = message.substr(0, message.find_first_of(" \t\r\n"));
    message.remove_prefix(std::min(message.size(), word.size() + 1));
    if (word.empty()) continue;
    if (!clean.empty()) clean += ' ';
    clean += is_url(word) || word.find('@') != std::string_view::npos ? ".." : word;
  }
  return shown(clean, 160);
}

}  // namespace qanat::sources::video
