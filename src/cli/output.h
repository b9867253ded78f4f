// Standard output and its errors.
#pragma once

#include <string_view>

#include "base/error.h"

namespace qanat::cli {

// At the start of the program: a standard descriptor that is closed gets one that refuses, so that
// no file or socket is opened in its place and written to by mistake.
void hold_standard_descriptors();
// Before anything is made that exists once: throws Failure when standard output is closed, or is a
// pipe that nobody reads.
void require_output();
// All of it, now; an Error when it was not taken. SIGPIPE must be ignored (ignore_broken_pipes).
Result<void> hand_over(std::string_view text);
void ignore_broken_pipes();
// What went wrong, on standard error; in the journal with its priority.
void complain(std::string_view text);
// At the end of each command: what is buffered goes out. The command's code, or 1, with one line on
// standard error, when standard output did not take everything.
int finish_output(int code);

}  // namespace qanat::cli
