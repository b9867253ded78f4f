#include "wire/observer_token.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "crypto/blake2b.h"

namespace qanat::wire {
namespace {

constexpr std::string_view token_prefix = "qanat-observer.";
constexpr std::string_view label = "qanat observer v1";

bool same_ignoring_case(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  });
}

// Scheme and the rest; RFC 9110, 11.6.2.
std::pair<std::string_view, std::string_view> parts(std::string_view header) {
  const auto blank = std::min(header.find(' '), header.size());
  std::string_view rest = header.substr(blank);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return {header.substr(0, blank), rest};
}

// The one base64 with padding that comes in from outside; as base64url, that we read.
std::optional<std::vector<std::uint8_t>> from_padded_base64(std::string_view text) {
  std::string plain(text);
  while (!plain.empty() && plain.back() == '=') plain.pop_back();
  std::replace(plain.begin(), plain.end(), '+', '-');
  std::replace(plain.begin(), plain.end(), '/', '_');
  auto out = from_base64url(plain);
  wipe({reinterpret_cast<std::uint8_t*>(plain.data()), plain.size()});
  return out;
}

}  // namespace

std::string encode(const ObserverToken& token) {
  return std::string(token_prefix) + token.name + "." + to_base64url(token.key.view());
}

std::optional<ObserverToken> decode_observer_token(std::string_view text) {
  if (!text.starts_with(token_prefix)) return std::nullopt;
  text.remove_prefix(token_prefix.size());
  const auto dot = text.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  auto key = from_base64url(text.substr(dot + 1));
  if (!key || key->size() != ObserverToken::key_bytes) return std::nullopt;
  ObserverToken token{std::string(text.substr(0, dot)), SecretBytes(Bytes(*key))};
  wipe(*key);
  return token;
}

bool is_observer_authorization(std::string_view header) {
  const std::string_view scheme = parts(header).first;
  return same_ignoring_case(scheme, "Bearer") || same_ignoring_case(scheme, "Basic");
}

std::optional<ObserverToken> decode_observer_authorization(std::string_view header) {
  const auto [scheme, rest] = parts(header);
  if (same_ignoring_case(scheme, "Bearer")) return decode_observer_token(rest);
  if (!same_ignoring_case(scheme, "Basic")) return std::nullopt;
  auto pair = from_padded_base64(rest);
  if (!pair) return std::nullopt;
  const std::string_view text(reinterpret_cast<const char*>(pair->data()), pair->size());
  const auto colon = text.find(':');
  auto token = colon == std::string_view::npos ? std::nullopt
                                               : decode_observer_token(text.substr(colon + 1));
  wipe(*pair);
  return token;
}

SecretBytes kept_of_key(Bytes key) {
  SecretBytes kept(ObserverToken::key_bytes);
  crypto::blake2b({}, {as_bytes(label), key}, kept.view());
  return kept;
}

}  // namespace qanat::wire
