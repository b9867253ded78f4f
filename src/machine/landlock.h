// Landlock (landlock(7)): which files this process may open. Part of sandbox.h.
#pragma once

#include "machine/sandbox.h"

namespace qanat::machine {

// The version of Landlock's interface that is in force now; 0: this kernel has none. Throws
// Failure.
int restrict_files(const Confinement& confinement);

}  // namespace qanat::machine
