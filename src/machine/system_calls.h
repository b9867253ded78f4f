// Which system calls this process may make (seccomp(2)). Part of sandbox.h.
#pragma once

namespace qanat::machine {

// Any other call ends the process with SIGSYS, and the kernel logs which it was. False: this kernel
// has no seccomp or lets us have none, or this is a build for a sanitizer, which makes calls of its
// own. `foreign_libraries`: with those that sound and smart card libraries make; `gives_groups`:
// with those that give a socket to a group. Throws Failure.
bool restrict_calls(bool foreign_libraries, bool gives_groups);

}  // namespace qanat::machine
