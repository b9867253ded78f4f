// Byte views and their text forms: the one hex and the one base64 routine of the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qanat {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Lower-case hex, two digits a byte.
std::string to_hex(Bytes bytes);
// Accepts both cases; nullopt on an odd length or a character that is no hex digit.
std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text);

// RFC 4648: section 4 with padding, and section 5 (URL-safe) without.
std::string to_base64(Bytes bytes);
std::string to_base64url(Bytes bytes);
std::optional<std::vector<std::uint8_t>> from_base64url(std::string_view text);

// Writes into `out`, for secrets that must not pass through an ordinary string.
// `out` holds exactly 2 * bytes.size() characters; there is no terminating NUL.
void write_hex(Bytes bytes, std::span<char> out);
// The other way round, as from_hex: false unless `text` has exactly 2 * out.size() digits.
bool read_hex(std::string_view text, MutableBytes out);
// Number of base64 characters (padded) for `bytes` bytes.
std::size_t base64_size(std::size_t bytes);
// `out` holds exactly base64_size(bytes.size()) characters.
void write_base64(Bytes bytes, std::span<char> out);
// The other way round: false unless `text` is the padded base64 of exactly out.size() bytes. What
// `out` holds then is of no use.
bool read_base64(std::string_view text, MutableBytes out);

// Constant time in the contents; false when the lengths differ.
bool equal_constant_time(Bytes a, Bytes b);

}  // namespace qanat
