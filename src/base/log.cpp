#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <string>

#include "base/clock.h"
#include "base/line_limiter.h"

namespace qanat {
namespace {

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = spdlog::stderr_color_mt("qanat");
    // The journal stamps lines itself.
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets any
    made->set_pattern(std::getenv("JOURNAL_STREAM") != nullptr ? "%l: %v"
                                                               : "%Y-%m-%d %H:%M:%S.%e %^%l%$: %v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum translate(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// What a peer sends may end up in a line: control characters would let it forge others.
std::string printable(std::string_view line) {
  std::string out(line);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

// Lines of one call in a minute. Four times what a large host's guests say when all of them start.
constexpr std::size_t lines_of_a_call = 256;
// And of them about one peer. It says something new a few times a minute, at the most.
constexpr std::size_t lines_of_a_peer = 8;

struct Limiters {
  LineLimiter calls{lines_of_a_call};
  LineLimiter peers{lines_of_a_peer};
};

Limiters& limiters() {
  static Limiters instance;
  return instance;
}

void tell(const std::vector<LineLimiter::Sum>& sums) {
  for (const auto& sum : sums) log_line(LogLevel::info, sum.text());
}

}  // namespace

void set_log_level(LogLevel level) { logger().set_level(translate(level)); }

void log_line(LogLevel level, std::string_view line) {
  logger().log(translate(level), "{}", printable(line));
}

void log_limited(LogLevel level, std::string_view format, std::string_view peer,
                 const std::string& line) {
  if (!logger().should_log(translate(level))) return;
  log_sums();
  const TimePoint now = Clock().now();
  if (!peer.empty() && !limiters().peers.admit(fmt::format("{} {}", format, peer), line, now)) {
    return;
  }
  if (limiters().calls.admit(format, line, now)) log_line(level, line);
}

void log_sums() {
  const TimePoint now = Clock().now();
  tell(limiters().peers.sums(now));
  tell(limiters().calls.sums(now));
}

void log_all_sums() {
  tell(limiters().peers.all_sums());
  tell(limiters().calls.all_sums());
}

}  // namespace qanat
