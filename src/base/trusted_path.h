// Whether a directory is safe from others, in the way of ssh's StrictModes.
#pragma once

#include <string>

#include "base/error.h"

namespace qanat {

// An Error unless only this account and root decide what is in `directory`: neither it nor a
// directory above it belongs to somebody else or can be written by others. A directory of root's
// with the sticky bit, such as /tmp, may hold it. What does not exist yet is passed over. The Error
// begins with the name of what is wrong, and says what to do.
//
// `entrusted`: a directory above whose owner is trusted too, as root gave it away.
Result<void> only_ours(const std::string& directory, const std::string& entrusted = "");

// "alice", or "uid 1000" where that has no name.
std::string account_name(unsigned uid);

}  // namespace qanat
