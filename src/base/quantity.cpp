#include "base/quantity.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace qanat {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array size_units{
    Unit{"", 1},
    Unit{"B", 1},
    Unit{"k", 1000},
    Unit{"K", 1000},
    Unit{"kB", 1000},
    Unit{"M", 1000000},
    Unit{"MB", 1000000},
    Unit{"G", 1000000000},
    Unit{"GB", 1000000000},
    Unit{"KiB", 1ULL << 10},
    Unit{"MiB", 1ULL << 20},
    Unit{"GiB", 1ULL << 30},
};
constexpr std::array time_units_ms{
    Unit{"", 1000},     Unit{"ms", 1},      Unit{"s", 1000},     Unit{"m", 60000},
    Unit{"min", 60000}, Unit{"h", 3600000}, Unit{"d", 86400000},
};

// A number and what its unit makes of it.
struct Amount {
  std::uint64_t value = 0;
  std::uint64_t factor = 0;
};

template <typename Units>
std::optional<Amount> parse(std::string_view text, const Units& units, std::uint64_t limit) {
  std::uint64_t number = 0;
  const auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc()) return std::nullopt;
  std::string_view name(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  if (name.starts_with(' ')) name.remove_prefix(1);
  for (const Unit& unit : units) {
    if (unit.name == name) {
      if (number > limit / unit.factor) return std::nullopt;
      return Amount{number * unit.factor, unit.factor};
    }
  }
  return std::nullopt;
}

// "1m" off the front of "1m30s" and of "1m 30s": as far as the next number.
std::string_view take_part(std::string_view& text) {
  constexpr std::string_view digits = "0123456789";
  const std::size_t unit = std::min(text.find_first_not_of(digits), text.size());
  const std::size_t end = std::min(text.find_first_of(digits, unit), text.size());
  std::string_view part = text.substr(0, end);
  text.remove_prefix(end);
  if (!text.empty() && part.ends_with(' ')) part.remove_suffix(1);
  return part;
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto size = parse(text, size_units, std::uint64_t{1} << 63);
  return size ? std::optional(size->value) : std::nullopt;
}

std::optional<std::uint64_t> parse_rate(std::string_view text) {
  if (text.ends_with("/s")) text.remove_suffix(2);
  return parse_size(text);
}

std::optional<Duration> parse_duration(std::string_view text) {
  constexpr std::uint64_t limit = 10ULL * 366 * 86400000;
  const std::string_view whole = text;
  std::uint64_t ms = 0;
  for (std::uint64_t last = limit;;) {
    const std::string_view part = take_part(text);
    // "1h30": nobody knows of what.
    const bool bare = part.find_first_not_of("0123456789") == std::string_view::npos;
    if (bare && part.size() < whole.size()) return std::nullopt;
    const auto amount = parse(part, time_units_ms, limit - ms);
    if (!amount || amount->factor >= last) return std::nullopt;
    ms += amount->value;
    last = amount->factor;
    if (text.empty()) return std::chrono::milliseconds(static_cast<std::int64_t>(ms));
  }
}

std::string format_size(double bytes) {
  static constexpr std::array names{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (bytes >= 1023.5 && unit + 1 < names.size()) {
    bytes /= 1024;
    ++unit;
  }
  const bool whole = unit == 0 || bytes >= 99.95 || bytes == std::floor(bytes);
  return fmt::format("{:.{}f} {}", bytes, whole ? 0 : 1, names[unit]);
}

std::string format_bits(double bits) {
  return fmt::format("{:g} bit{}", bits, bits == 1 ? "" : "s");
}

std::string format_rate(double bytes_per_second) { return format_size(bytes_per_second) + "/s"; }

std::string format_duration(Duration duration) {
  const double s = seconds(duration);
  if (s < 1) return fmt::format("{:.0f} ms", s * 1000);
  if (s < 60) return fmt::format("{:.1f} s", s);
  const auto whole = static_cast<std::int64_t>(s);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
  return fmt::format("{} d {} h", whole / 86400, whole / 3600 % 24);
}

}  // namespace qanat
