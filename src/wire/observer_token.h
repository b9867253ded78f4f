// What an observer shows: who may see all of a node, and draw nothing. docs/http-api.md, Who sees
// what.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace qanat::wire {

// "qanat-observer.NAME.KEY": 32 random bytes in base64url behind the name. One who reads the hub's
// disk learns no token: kept of the key is its hash alone.
struct ObserverToken {
  static constexpr std::size_t key_bytes = 32;

  std::string name;
  SecretBytes key;
};
std::string encode(const ObserverToken& token);
std::optional<ObserverToken> decode_observer_token(std::string_view text);

// Of an Authorization field: "Bearer TOKEN" (RFC 6750), or "Basic BASE64(USER:TOKEN)" (RFC 7617),
// which browsers ask a person for; the token names its observer, whatever USER is. nullopt: it is
// of another scheme, or holds no token.
std::optional<ObserverToken> decode_observer_authorization(std::string_view header);
// Whether the field is of one of these two schemes.
bool is_observer_authorization(std::string_view header);

// What is kept of the key, 32 bytes.
SecretBytes kept_of_key(Bytes key);

// For a 401 to a browser.
inline constexpr std::string_view observer_challenge =
    "Basic realm=\"qanat: an observer's name and token\", charset=\"UTF-8\"";

}  // namespace qanat::wire
