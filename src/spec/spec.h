// Names of sources and outlets, as written on the command line and in the configuration:
// TYPE[:TARGET][?option=value&...]. See docs/configuration.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace qanat::spec {

struct Spec {
  std::string text;    // as written, for people: without the value of pin-value=
  std::string type;    // "hwrng", "device", "https", ...
  std::string target;  // what follows the first ':', without options; may be empty
  std::map<std::string, std::string, std::less<>> options;  // values percent-decoded, as written

  // `key` with '-' between its words: it may have been written with '_'.
  std::optional<std::string> option(std::string_view key) const;
};

// A key as it is documented, with '-' between its words, from either spelling.
std::string plain_key(std::string_view key);

// Options begin at the last '?' that is followed by nothing but key=value pairs joined by '&', so
// that a command or a path may hold a '?'.
Result<Spec> parse_spec(std::string_view text);

// "%41+b" -> "A b"; '+' is a space only in forms. nullopt on a bad escape.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

}  // namespace qanat::spec
