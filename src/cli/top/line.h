// A line of the screen before there is a screen: text and what it means, not how it is drawn.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qanat::cli::top {

enum class Style { plain, title, faint, good, warning, bad, bar };

struct Span {
  std::string text;  // UTF-8; each code point is one column wide
  Style style = Style::plain;
};

using Line = std::vector<Span>;

std::size_t columns(std::string_view text);
std::size_t columns(const Line& line);
// Spaces on its left or right, up to `width`; what is longer stays.
std::string padded(std::string text, std::size_t width, bool to_the_right);
// What of it is beyond `width` falls away.
Line clipped(Line line, std::size_t width);
// Without styles.
std::string text_of(const Line& line);

}  // namespace qanat::cli::top
