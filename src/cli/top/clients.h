// The clients of a node, sorted.
#pragma once

#include "cli/top/sections.h"
#include "observe/fields.h"

namespace qanat::cli::top {

Lines client_lines(const observe::Fields& document, const Samples& samples, const Choices& choices);

}  // namespace qanat::cli::top
