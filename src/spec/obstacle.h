// What keeps a source or an outlet from working, as far as that can be seen without starting it:
// what `qanat check` tells. Each is found by the function that the start itself calls.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace qanat::spec {

struct Obstacle {
  enum class Kind {
    wrong,   // a person must mend it
    taken,   // its place is not to be had: somebody else listens there
    absent,  // may come by itself, and is looked for
  };
  std::string what;         // for a person, with the name of what it is about
  std::string option = {};  // the one that is at fault; empty: the name itself
  Kind kind = Kind::wrong;
};
using Obstacles = std::vector<Obstacle>;

// Adds what `attempt` says when it throws Failure; whether it did not.
template <typename Attempt>
bool attempt_into(Obstacles& found, std::string_view option, const Attempt& attempt,
                  Obstacle::Kind kind = Obstacle::Kind::wrong) {
  try {
    attempt();
    return true;
  } catch (const Failure& problem) {
    found.push_back({problem.what(), std::string(option), kind});
    return false;
  }
}

// Adds the Error of a Result, if it is one; whether it is none.
template <typename T>
bool result_into(Obstacles& found, std::string_view option, const Result<T>& result,
                 Obstacle::Kind kind = Obstacle::Kind::wrong) {
  if (!result) found.push_back({result.error().message, std::string(option), kind});
  return result.has_value();
}

}  // namespace qanat::spec
