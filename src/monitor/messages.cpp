#include "monitor/messages.h"

#include <algorithm>
#include <optional>

#include "crypto/blake2b.h"

namespace qanat::monitor {
namespace {

// Those that commands are told (node/alarms.h, machine/reseed_commands.h). Not all that begin so: a
// program that uses libqanat obeys some.
constexpr std::array<std::string_view, 7> known_variables{
    "QANAT_KIND",  "QANAT_SUBJECT", "QANAT_TEXT",      "QANAT_TIME",
    "QANAT_EVENT", "QANAT_REASON",  "QANAT_GENERATION"};

}  // namespace

GrantId grant_id(GrantKind kind, std::string_view text) {
  const auto letter = static_cast<std::uint8_t>(kind);
  GrantId id{};
  crypto::blake2b({}, {as_bytes("qanat grant "), Bytes(&letter, 1), as_bytes(text)}, id);
  return id;
}

void Answer::say(std::string_view what) {
  text.fill(0);
  what.copy(text.data(), text.size() - 1);
}

std::string Answer::said() const {
  return {text.begin(), std::find(text.begin(), text.end(), '\0')};
}

bool write_variables(const Variables& variables, Request& request) {
  std::string all;
  for (const auto& [name, value] : variables) {
    if (name.find('\0') != std::string::npos || value.find('\0') != std::string::npos) return false;
    all.append(name).append("=").append(value).append(1, '\0');
  }
  if (all.size() > request.body.size()) return false;
  std::copy(all.begin(), all.end(), request.body.begin());
  request.size = static_cast<std::uint32_t>(all.size());
  return true;
}

std::optional<Variables> read_variables(Bytes body) {
  Variables variables;
  std::string_view rest = as_text(body);
  while (!rest.empty()) {
    const auto end = rest.find('\0');
    const auto equals = rest.find('=');
    if (end == std::string_view::npos || equals == std::string_view::npos || equals > end) {
      return std::nullopt;
    }
    const std::string_view name = rest.substr(0, equals);
    if (std::find(known_variables.begin(), known_variables.end(), name) == known_variables.end()) {
      return std::nullopt;
    }
    variables.emplace_back(name, rest.substr(equals + 1, end - equals - 1));
    rest.remove_prefix(end + 1);
  }
  return variables;
}

}  // namespace qanat::monitor
