#include "base/colours.h"

#include <cstdlib>
#include <string_view>

namespace qanat {
namespace {

std::string_view environment(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any
  return value == nullptr ? "" : value;
}

}  // namespace

bool terminal_is_dumb() {
  const std::string_view terminal = environment("TERM");
  return terminal.empty() || terminal == "dumb";
}

bool colours_wanted() { return environment("NO_COLOR").empty() && !terminal_is_dumb(); }

}  // namespace qanat
