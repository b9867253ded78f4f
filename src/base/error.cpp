#include "base/error.h"

#include <algorithm>
#include <new>
#include <system_error>

namespace qanat {

std::string plain_what(const std::exception& problem) {
  if (dynamic_cast<const std::bad_alloc*>(&problem) != nullptr)
    return "out of memory (std::bad_alloc)";
  std::string text = problem.what();
  // Boost's: "bind: Address already in use [system:98 at FILE:LINE:COLUMN in function '...']".
  for (auto at = text.find(" ["); at != std::string::npos; at = text.find(" [", at + 1)) {
    const auto end =
        std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at) + 2, text.end(),
                         [](char c) { return (c >= 'a' && c <= 'z') || c == '.' || c == '_'; });
    if (text.end() - end < 2 || *end != ':') continue;
    const char number = *(end + 1);
    if (number == '-' || (number >= '0' && number <= '9')) return text.substr(0, at);
  }
  return text;
}

std::string with_errno(std::string_view what, int errno_value) {
  return std::string(what) + ": " + std::generic_category().message(errno_value);
}

}  // namespace qanat
