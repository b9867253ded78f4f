#include "base/log.h"

#include <fmt/chrono.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/clock.h"
#include "base/colours.h"
#include "base/files.h"
#include "base/line_limiter.h"
#include "base/shown.h"

namespace qanat {
namespace {

// Whether stderr is the journal (systemd.exec(5), JOURNAL_STREAM), and not a file or a pipe that
// somebody has put in its place since.
bool is_journal() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets any
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0) return false;
  return fmt::format("{}:{}", info.st_dev, info.st_ino) == stream;
}

bool stderr_is_journal() {
  static const bool journal = is_journal();
  return journal;
}

// syslog(3)
int priority_of(LogLevel level) {
  return level == LogLevel::error     ? 3
         : level == LogLevel::warning ? 4
         : level == LogLevel::info    ? 6
                                      : 7;
}

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = spdlog::stderr_color_mt(
        "qanat", colours_wanted() ? spdlog::color_mode::automatic : spdlog::color_mode::never);
    made->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$: %v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

std::atomic<LogFormat>& format_of_lines() {
  static std::atomic<LogFormat> format{LogFormat::text};
  return format;
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

// What a line is of; empty where it is of no event.
struct Subject {
  std::string_view name;
  std::string_view text;
  std::string_view kind;
};

std::string as_json(LogLevel level, std::string_view line, const Subject& subject) {
  const auto now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto part = now.time_since_epoch().count() % 1000;
  std::string out = fmt::format(R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","level":"{}")",
                                fmt::gmtime(std::chrono::system_clock::to_time_t(now)), part,
                                fmt::string_view(spdlog::level::to_string_view(translate(level))));
  if (!subject.name.empty()) {
    out += fmt::format(R"(,"kind":"{}","subject":{})", subject.kind, json_quoted(subject.name));
  }
  return out +
         fmt::format(R"(,"text":{}}})", json_quoted(subject.name.empty() ? line : subject.text));
}

// The journal's own protocol: a datagram of FIELD=VALUE lines (systemd.io/JOURNAL_NATIVE_PROTOCOL).
// libsystemd's call waits while the journal takes nothing, and all threads write lines.
class Journal {
 public:
  // What became of a line: where the journal is not there, it goes to stderr instead.
  enum class Outcome { taken, dropped, absent };

  Outcome send(LogLevel level, std::string_view line, const Subject& subject) {
    std::string text =
        fmt::format("MESSAGE={}\nPRIORITY={}\nSYSLOG_IDENTIFIER=qanat\n", line, priority_of(level));
    if (!subject.name.empty()) {
      text += fmt::format("QANAT_SUBJECT={}\nQANAT_KIND={}\n", escaped(subject.name), subject.kind);
    }
    sockaddr_un place{};
    place.sun_family = AF_UNIX;
    constexpr std::string_view path = "/run/systemd/journal/socket";
    path.copy(place.sun_path, path.size());
    const ssize_t sent = ::sendto(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL,
                                  reinterpret_cast<const sockaddr*>(&place), sizeof place);
    if (sent >= 0) return Outcome::taken;
    return errno == EAGAIN || errno == ENOBUFS ? Outcome::dropped : Outcome::absent;
  }

 private:
  const UniqueFd fd_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
};

// Whether nothing is left to do for the line. One that the journal has no room for is counted, and
// the next that it takes says how many there were.
bool to_journal(LogLevel level, std::string_view line, const Subject& subject) {
  if (!stderr_is_journal()) return false;
  static Journal instance;
  static std::atomic<std::uint64_t> dropped{0};
  const std::uint64_t missing = dropped.load();
  if (missing > 0) {
    const std::string note =
        fmt::format("{} lines were not logged, as the journal took none", missing);
    if (instance.send(LogLevel::warning, note, {}) == Journal::Outcome::taken) dropped -= missing;
  }
  const Journal::Outcome outcome = instance.send(level, line, subject);
  if (outcome == Journal::Outcome::dropped) ++dropped;
  return outcome != Journal::Outcome::absent;
}

// `line` is escaped: what a peer sends may end up in it, and control characters would let it forge
// others.
void put(LogLevel level, const std::string& line, const Subject& subject) {
  if (!logger().should_log(translate(level))) return;
  if (format_of_lines() == LogFormat::json) {
    const std::string object = for_stderr(level, as_json(level, line, subject));
    // Whole lines of several threads; one that cannot be written is nobody's to mend.
    (void)std::fwrite(object.data(), 1, object.size(), stderr);
    return;
  }
  if (to_journal(level, line, subject)) return;
  if (stderr_is_journal()) {
    const std::string marked = for_stderr(level, line);
    (void)std::fwrite(marked.data(), 1, marked.size(), stderr);
    return;
  }
  logger().log(translate(level), "{}", line);
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

std::string for_stderr(LogLevel level, std::string_view text) {
  const std::string mark = stderr_is_journal() ? fmt::format("<{}>", priority_of(level)) : "";
  std::string out;
  do {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out.append(mark).append(text.substr(0, end)).append("\n");
    text.remove_prefix(std::min(end + 1, text.size()));
  } while (!text.empty());
  return out;
}

void set_log_level(LogLevel level) { logger().set_level(translate(level)); }

void set_log_format(LogFormat format) { format_of_lines() = format; }

void log_line(LogLevel level, std::string_view line) { put(level, escaped(line), {}); }

void log_event(std::string_view subject, std::string_view text, EventKind kind) {
  put(is_alarm(kind) ? LogLevel::warning : LogLevel::info,
      escaped(fmt::format("{}: {}", subject, text)), {subject, text, to_string(kind)});
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
