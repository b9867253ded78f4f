// What a peer sent, where people read it: in an answer, the log, the status, on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace qanat {

// Enough to know a word again, and little enough for any line.
inline constexpr std::size_t most_shown = 64;

// Printable ASCII alone ('?' for the rest), so that it steers no terminal and begins no line; at
// most `limit` characters, of which the last two are ".." when something was cut off.
std::string shown(std::string_view text, std::size_t limit = most_shown);

// What the operator named, whole, for a log line or a terminal: letters of any script stay; what
// would act (control characters, marks that turn the direction of writing, invisible ones, bytes
// that are no UTF-8) is written as "\n", "\u{202e}" or "\xff".
std::string escaped(std::string_view text);
bool is_utf8(std::string_view text);
// The same in quotes as a JSON string; every character stays what it is, but for bytes that are no
// UTF-8: those become U+FFFD.
std::string json_quoted(std::string_view text);

}  // namespace qanat
