// The parts of a manual page that the command tree tells, in the language of man(7).
#pragma once

#include <string>

#include "cli/help/tree.h"

namespace qanat::cli::help {

// Parts, each between the lines `.\" begin NAME` and `.\" end NAME`: head (title, name, synopsis),
// options (arguments, options, notes) and examples; of the program itself also commands. What
// stands between them in docs/man is written by hand; tools/make-pages puts the parts there.
std::string manual_parts(const Command& command);

}  // namespace qanat::cli::help
