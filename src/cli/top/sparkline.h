// A row of figures as a picture of one line.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace qanat::cli::top {

// A character a value, from nothing to `most` (or what is more than that); a space where the value
// is not known. In eight blocks, or, where the terminal has no UTF-8, in eight ASCII characters.
std::string sparkline(const std::vector<std::optional<double>>& values, double most, bool utf8);
// The same, up to the greatest of the values.
std::string sparkline(const std::vector<std::optional<double>>& values, bool utf8);

}  // namespace qanat::cli::top
