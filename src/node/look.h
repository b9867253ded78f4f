// What would keep a node from starting, or from being of use, as far as that can be seen without
// starting it: `qanat check`. Sources and outlets say it of themselves (spec/obstacle.h).
#pragma once

#include <map>
#include <set>
#include <string>

#include "node/config.h"
#include "node/state_dir.h"

namespace qanat::node {

struct Findings {
  Problems wrong;                             // it does not start, or what is named can never work
  Problems warnings;                          // it starts, and this is hardly what was meant
  std::map<std::string, std::string> absent;  // sources that are not there now, and why
};

// `held`: the places of outlets (outlets/type.h) that a node which runs with this state directory
// has, and would give up for the ones of `config`.
Findings look_at(const Config& config, const StateDir& state, const std::set<std::string>& held);

}  // namespace qanat::node
