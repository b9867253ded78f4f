#include "cli/top/line.h"

#include <algorithm>

namespace qanat::cli::top {

namespace {

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80U; }

// The bytes of its first `count` characters.
std::size_t bytes_of(std::string_view text, std::size_t count) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!begins_character(text[at])) continue;
    if (count == 0) return at;
    --count;
  }
  return text.size();
}

}  // namespace

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::size_t columns(const Line& line) {
  std::size_t sum = 0;
  for (const Span& span : line) sum += columns(span.text);
  return sum;
}

std::string padded(std::string text, std::size_t width, bool to_the_right) {
  const std::size_t wide = columns(text);
  if (wide >= width) return text;
  const std::string space(width - wide, ' ');
  return to_the_right ? space + text : text + space;
}

Line clipped(Line line, std::size_t width) {
  Line kept;
  for (Span& span : line) {
    if (width == 0) break;
    span.text.resize(bytes_of(span.text, width));
    width -= columns(span.text);
    kept.push_back(std::move(span));
  }
  return kept;
}

std::string text_of(const Line& line) {
  std::string text;
  for (const Span& span : line) text += span.text;
  return text;
}

}  // namespace qanat::cli::top
