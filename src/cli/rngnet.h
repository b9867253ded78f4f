// The names under which rngnet's users know this program: rngsend and rngrecv.
#pragma once

#include <functional>
#include <string_view>

#include "cli/help/tree.h"

namespace qanat::cli {

// What to run when the program was called by `name`; empty for any other name.
std::function<int(int argc, char** argv)> find_rngnet_program(std::string_view name);

// What such a program takes, for its manual page.
help::Command describe_rngnet_program(std::string_view name);

}  // namespace qanat::cli
