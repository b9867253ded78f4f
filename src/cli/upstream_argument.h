// Upstreams as arguments.
#pragma once

#include <string>

namespace qanat::cli {

// The argument itself, the first line of FILE for "@FILE", of standard input for "-": so that a
// secret need not stand in a process list or a shell's history. A join string is kept, and this is
// its name (sources/upstream/kept_join_strings.h). A FILE that others can read or write is refused.
// Throws Failure.
std::string read_upstream_argument(const std::string& argument);

}  // namespace qanat::cli
