// The two grades of output, in the terms of SP 800-90C. docs/http-api.md.
#pragma once

#include <optional>
#include <string_view>

namespace qanat::spec {

// full: each bit is paid for by assessed fresh input, and delivered once. drbg: of a DRBG seeded
// with such.
enum class Grade { full, drbg };
std::string_view to_string(Grade grade);
std::optional<Grade> parse_grade(std::string_view text);

}  // namespace qanat::spec
