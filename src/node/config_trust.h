// Whether a configuration is root's alone: what it names is run by the monitor, which is root.
#pragma once

#include <string>

#include "machine/sandbox.h"

namespace qanat::node {

// A warning where the node, as it is confined, could change this file or what leads to it; empty:
// nowhere, or nobody is root. The monitor must then not read it again: between a look and the
// reading it may change. Throws Failure where that is the state directory. `file`: absolute or not,
// there or not.
std::string doubts_of_config(const std::string& file, const machine::Confinement& confinement,
                             const std::string& state);

}  // namespace qanat::node
