// Whether a directory is safe from others, in the way of ssh's StrictModes.
#pragma once

#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/path_walk.h"

namespace qanat {

// An Error unless only this account and root decide what is in `directory`: neither it nor a
// directory above it belongs to somebody else or can be written by others. A directory of root's
// with the sticky bit, such as /tmp, may hold it. What does not exist yet is passed over. The Error
// begins with the name of what is wrong, and says what to do.
//
// `entrusted`: a directory above whose owner is trusted too, as root gave it away.
Result<void> only_ours(const std::string& directory, const std::string& entrusted = "");

// "/srv/x belongs to alice": by whom but this account and root one step on the way to a file could
// be changed, by owner and mode, which shows the mask of an ACL, too; empty: by nobody.
std::string who_else_may_change(const PathStep& step);

// Opens a file or device for somebody who could have put a link there to what he may not read: what
// the path leads to lies where nobody but this account and root decides that. To write, devices and
// FIFOs alone. `flags` of open(2); or an errno value, EACCES for what is not trusted.
tl::expected<UniqueFd, int> open_trusted(const std::string& path, int flags);

// "alice", or "uid 1000" where that has no name.
std::string account_name(unsigned uid);

}  // namespace qanat
