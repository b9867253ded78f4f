// What a node that runs has already.
#pragma once

#include <set>
#include <string>

namespace qanat::cli {

// The places (outlets/type.h) of the outlets of a node that runs with this state directory: it
// would give them up. Empty when none runs. Throws Failure as ask_node does.
std::set<std::string> places_held(const std::string& state);

}  // namespace qanat::cli
