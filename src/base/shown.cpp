#include "base/shown.h"

namespace qanat {

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

}  // namespace qanat
