// Whether a configuration is root's alone: what it names is run by the monitor, which is root.
#pragma once

#include <string>

#include "machine/sandbox.h"

namespace qanat::node {

// A warning where somebody who is not the monitor's account, the node among them, could change this
// file or what leads to it; empty: nobody could, or the monitor has no more powers than they. It
// must then not read the file again: between a look and the reading it may change. Throws Failure
// where the file is in the state directory, and where the node is the account's, somebody else
// could change the file, and it names what the monitor does (`grants`): commands, files, devices,
// ports. `file`: absolute or not, there or not. `state`: as `confinement.directories` has it.
std::string doubts_of_config(const std::string& file, const machine::Confinement& confinement,
                             const std::string& state, bool grants);

}  // namespace qanat::node
