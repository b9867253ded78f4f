#include "base/shown.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <utility>

namespace qanat {
namespace {

// One character of UTF-8 (RFC 3629) at the beginning of `text`, which is not empty; size 0: it is
// none.
struct Character {
  std::uint32_t code = 0;
  std::size_t size = 0;
};

Character first_character(std::string_view text) {
  const auto byte = [&text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
  std::uint32_t code = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {};
    code = code << 6U | (byte(i) & 0x3fU);
  }
  constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {};
  return {code, size};
}

// Characters that are not seen, or that change how others are: controls, and of Unicode's Cf, Zl,
// Zp and Co those that a renderer obeys.
bool acts(std::uint32_t code) {
  constexpr std::array<std::pair<std::uint32_t, std::uint32_t>, 16> ranges{{{0x0, 0x1f},
                                                                            {0x7f, 0x9f},
                                                                            {0xad, 0xad},
                                                                            {0x34f, 0x34f},
                                                                            {0x61c, 0x61c},
                                                                            {0x115f, 0x1160},
                                                                            {0x17b4, 0x17b5},
                                                                            {0x180b, 0x180f},
                                                                            {0x200b, 0x200f},
                                                                            {0x2028, 0x202e},
                                                                            {0x2060, 0x206f},
                                                                            {0x3164, 0x3164},
                                                                            {0xe000, 0xf8ff},
                                                                            {0xfe00, 0xfe0f},
                                                                            {0xfeff, 0xfeff},
                                                                            {0xfff0, 0xfffb}}};
  return code >= 0xe0000 || std::any_of(ranges.begin(), ranges.end(), [code](const auto& range) {
           return code >= range.first && code <= range.second;
         });
}

}  // namespace

std::string shown(std::string_view text, std::size_t limit) {
  constexpr std::string_view ellipsis = "..";
  const bool cut = text.size() > limit;
  if (cut) text = text.substr(0, limit - ellipsis.size());
  std::string out;
  out.reserve(text.size() + ellipsis.size());
  for (const char c : text) out += c >= 0x20 && c < 0x7f ? c : '?';
  if (cut) out += ellipsis;
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character c = first_character(text);
    if (c.size == 0) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<std::uint8_t>(text[0]));
    } else if (!acts(c.code)) {
      out += text.substr(0, c.size);
    } else if (c.code == '\n' || c.code == '\r' || c.code == '\t') {
      out += c.code == '\n' ? "\\n" : c.code == '\r' ? "\\r" : "\\t";
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{{{:x}}}", c.code);
    }
    text.remove_prefix(std::max<std::size_t>(c.size, 1));
  }
  return out;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Character c = first_character(text);
    if (c.size == 0) return false;
    text.remove_prefix(c.size);
  }
  return true;
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const Character c = first_character(text);
    if (c.size == 0) {
      out += "\\ufffd";
    } else if (c.code == '"' || c.code == '\\') {
      out += {'\\', static_cast<char>(c.code)};
    } else if (c.code < 0x20 || c.code == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c.code);
    } else {
      out += text.substr(0, c.size);
    }
    text.remove_prefix(std::max<std::size_t>(c.size, 1));
  }
  return out + "\"";
}

}  // namespace qanat
