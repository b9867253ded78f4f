#include "wire/trickle_session.h"

#include <fmt/core.h>

#include <boost/json.hpp>

namespace qanat::wire {

namespace json = boost::json;

namespace {

constexpr std::uint64_t version = 1;
constexpr std::uint64_t suite = 1;
constexpr std::size_t most_session_cookies = 8;

// A member that is a number of at most `limit`; 0 for anything else.
std::uint64_t number_of(const json::object& object, std::string_view name, std::uint64_t limit) {
  const json::value* const value = object.if_contains(name);
  boost::system::error_code problem;
  const auto number =
      value == nullptr || !value->is_number() ? 0 : value->to_number<std::uint64_t>(problem);
  return problem || number > limit ? 0 : number;
}

template <std::size_t size>
bool decode_bytes(const json::value* value, std::array<std::uint8_t, size>& out) {
  if (value == nullptr || !value->is_string()) return false;
  const json::string& text = value->get_string();
  const auto bytes = from_base64url({text.data(), text.size()});
  if (!bytes || bytes->size() != size) return false;
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return true;
}

}  // namespace

std::string encode(const TrickleSession& session) {
  std::string text = fmt::format(
      R"({{"version": {}, "suite": {}, "port": {}, "lifetime": {}, "nonce": "{}", "cookies": [)",
      version, suite, session.port, session.lifetime, to_base64url(session.nonce));
  const char* comma = "";
  for (const trickle::Cookie& cookie : session.cookies) {
    text += fmt::format("{}\"{}\"", comma, to_base64url(cookie));
    comma = ", ";
  }
  return text + "]}\n";
}

Result<TrickleSession> decode_trickle_session(std::string_view text) {
  boost::system::error_code problem;
  const json::value document = json::parse({text.data(), text.size()}, problem);
  if (problem || !document.is_object()) return error("the session is not a JSON object");
  const json::object& object = document.get_object();
  if (number_of(object, "version", version) != version ||
      number_of(object, "suite", suite) != suite) {
    return error("the session is of a version or suite that this program does not know");
  }
  TrickleSession session;
  constexpr std::uint64_t most_lifetime = 30 * 86400;
  session.port = static_cast<std::uint16_t>(number_of(object, "port", 65535));
  session.lifetime = number_of(object, "lifetime", most_lifetime);
  const json::value* const cookies = object.if_contains("cookies");
  if (session.port == 0 || session.lifetime == 0 ||
      !decode_bytes(object.if_contains("nonce"), session.nonce) || cookies == nullptr ||
      !cookies->is_array() || cookies->get_array().empty() ||
      cookies->get_array().size() > most_session_cookies) {
    return error("the session lacks what it must have, or has too much");
  }
  for (const json::value& item : cookies->get_array()) {
    if (!decode_bytes(&item, session.cookies.emplace_back())) {
      return error("the session has a cookie that cannot be read");
    }
  }
  return session;
}

}  // namespace qanat::wire
