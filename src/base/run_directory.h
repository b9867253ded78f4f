// Where nodes are found on this machine.
#pragma once

#include <string>

namespace qanat {

// Where this machine's programs look for a node's sockets: /run/qanat for root and for whoever may
// write there, else $XDG_RUNTIME_DIR/qanat. Empty when there is neither. It may not exist yet.
std::string run_directory();

}  // namespace qanat
