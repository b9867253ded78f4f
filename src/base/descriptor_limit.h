// How many descriptors this process may have open.
#pragma once

#include <sys/resource.h>

#include <cstddef>

namespace qanat {

// As many as the system permits; for a node that serves many.
void raise_descriptor_limit();

// What this process began with, which is what its children are given (base/shell_command.h): a
// program that uses select(2) breaks with more than it expects.
rlim_t descriptor_limit_at_start();

// How many this process may have open now.
std::size_t descriptor_limit();

}  // namespace qanat
