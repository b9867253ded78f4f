// Whether a configuration is root's alone: what it names is run by the monitor, which is root.
#pragma once

#include <string>

#include "machine/sandbox.h"

namespace qanat::node {

// A warning where somebody who is not the monitor's account, the node among them, could change this
// file or what leads to it; empty: nobody could, or the monitor has no more powers than they. It
// must then not read the file again: between a look and the reading it may change. Throws Failure
// where the file is in the state directory, and where the node's account itself could change it and
// it names commands (`commands`): they would be root's at the next start. `file`: absolute or not,
// there or not.
std::string doubts_of_config(const std::string& file, const machine::Confinement& confinement,
                             const std::string& state, bool commands);

}  // namespace qanat::node
