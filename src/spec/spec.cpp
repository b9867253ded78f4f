#include "spec/spec.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/quantity.h"
#include "base/shown.h"

namespace qanat::spec {
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

// Whatever else may be wrong with it: a PIN (RFC 7512) is shown to nobody, in whatever way its name
// is mistyped and whatever stands before it. The name of a file is not an address.
std::string without_pin(std::string_view text) {
  constexpr std::string_view ends = "&;?";
  if (!text.starts_with("pkcs11") && plain_key(text).find("pin-value") == std::string::npos) {
    return std::string(text);
  }
  std::string shown;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(ends), text.size());
    const std::string_view word = text.substr(0, end);
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(word.rfind(':', equals) + 1);
    const bool secret = equals != std::string_view::npos && name.starts_with("pin") &&
                        !plain_key(name).starts_with("pin-source=");
    shown.append(secret ? word.substr(0, equals + 1) : word).append(secret ? "..." : "");
    shown.append(text.substr(end, 1));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return shown;
}

}  // namespace

std::optional<std::string> Spec::option(std::string_view key) const {
  for (const auto& [written, value] : options) {
    if (plain_key(written) == key) return value;
  }
  return std::nullopt;
}

std::string plain_key(std::string_view key) {
  std::string plain(key);
  std::replace(plain.begin(), plain.end(), '_', '-');
  return plain;
}

Result<Spec> parse_spec(std::string_view text) {
  // It stands in documents that are UTF-8, and whose readers refuse the whole for one byte.
  if (!is_utf8(text)) {
    return error(fmt::format("'{}' is not UTF-8; give what it names another name, or a link",
                             escaped(without_pin(text))));
  }
  Spec spec;
  spec.text = without_pin(text);
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
        spec.text));
  }
  return spec;
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

}  // namespace qanat::spec
