// Log lines to stderr, one a line, for a person or the journal. Thread-safe. Nothing secret is
// ever passed in.
#pragma once

#include <fmt/core.h>

#include <exception>
#include <string>
#include <string_view>

#include "base/event_kind.h"

namespace qanat {

enum class LogLevel { debug, info, warning, error };

// Lines below `level` are dropped. Default: info.
void set_log_level(LogLevel level);
// How lines are written to stderr. `text` is for people; under systemd, where stderr is the
// journal, lines go there with fields (QANAT_SUBJECT, QANAT_KIND, PRIORITY). `json`: an object a
// line (docs/monitoring.md).
enum class LogFormat { text, json };
void set_log_format(LogFormat format);
// For what goes to stderr past the log, such as a program's last words: `text` with an end of line.
// Where stderr is the journal, each of its lines begins with its priority ("<3>", sd-daemon(3)).
std::string for_stderr(LogLevel level, std::string_view text);
// Of an event; in words "subject: text".
void log_event(std::string_view subject, std::string_view text, EventKind kind);

// Written in any case: for what the operator does, and for lines that were counted before.
void log_line(LogLevel level, std::string_view line);

// As most lines have a peer as their cause in the end, none goes past a limiter: of one kind, which
// is a call (its format) and a peer, some lines a minute are written at once, then their sum.
// `peer`: whom it is about, where one of many could hide the others' lines; else empty.
void log_limited(LogLevel level, std::string_view format, std::string_view peer,
                 const std::string& line);
// Writes the sums that are due: called now and then, as the last line of a burst has none after it.
void log_sums();
// Writes all of them: the program ends.
void log_all_sums();

// Of one peer among many: "CID 5". It is called where something has failed already: a line that
// there is no memory for is not written, and nothing else fails for it. So are the others.
template <typename... Args>
void log_of_peer(LogLevel level, std::string_view peer, fmt::format_string<Args...> format,
                 Args&&... args) noexcept {
  const fmt::string_view key = format;
  try {
    log_limited(level, {key.data(), key.size()}, peer,
                fmt::format(format, std::forward<Args>(args)...));
  } catch (const std::exception&) {
    return;
  }
}
template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) noexcept {
  log_of_peer(LogLevel::debug, {}, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) noexcept {
  log_of_peer(LogLevel::info, {}, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) noexcept {
  log_of_peer(LogLevel::warning, {}, format, std::forward<Args>(args)...);
}
template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) noexcept {
  log_of_peer(LogLevel::error, {}, format, std::forward<Args>(args)...);
}

}  // namespace qanat
