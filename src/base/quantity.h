// Sizes, rates and durations as people write them.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace qanat {

// All of `text`, as std::from_chars reads it: no sign of plus, no space; nullopt for anything else.
template <std::integral Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
  Number number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, problem] = std::from_chars(text.data(), last, number, base);
  if (problem != std::errc() || end != last) return std::nullopt;
  return number;
}
template <std::floating_point Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, problem] = std::from_chars(text.data(), last, number);
  if (problem != std::errc() || end != last) return std::nullopt;
  return number;
}

// "64", "64B", "100k" (1000), "100M", "2G", "1KiB" (1024), "4MiB", "1GiB". Bytes; nullopt on
// anything else: signs, fractions, exponents, unknown units, more than 2^63.
std::optional<std::uint64_t> parse_size(std::string_view text);
// A size followed by "/s" (bytes per second); the "/s" may be left out.
std::optional<std::uint64_t> parse_rate(std::string_view text);
// "250ms", "60s", "10m", "2h", "1d"; a bare number is seconds. Of several parts, the larger unit
// first and each once: "1m30s", "1 min 30 s". At most 10 years.
std::optional<Duration> parse_duration(std::string_view text);

// "512 B", "9.7 KiB", "256 KiB", "1.2 GiB": at most four significant characters and a unit.
std::string format_size(double bytes);
// "1 bit", "6.5 bits".
std::string format_bits(double bits);
// A size a second: "9.7 KiB/s".
std::string format_rate(double bytes_per_second);
// "45 ms", "3.2 s", "5 min 2 s", "3 h 12 min", "12 d 4 h".
std::string format_duration(Duration duration);

}  // namespace qanat
