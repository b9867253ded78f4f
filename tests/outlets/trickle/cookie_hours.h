#pragma once

#include <cstdint>

#include "outlets/trickle/cookie_keys.h"

namespace qanat::outlets {

// Seconds of one generation of cookie keys, and the first second of one of them, in 2025.
inline constexpr std::uint64_t hour = CookieKeys::generation_seconds;
inline constexpr std::uint64_t start = 489531 * hour;

}  // namespace qanat::outlets
