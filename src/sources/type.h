// What one type of source says of itself. Each NAME.cpp defines its own; registry.cpp lists them.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "entropy/intake.h"
#include "sources/runner/running_source.h"
#include "sources/source.h"
#include "spec/obstacle.h"
#include "spec/spec.h"

namespace qanat::sources {

// What a name with its options comes to, read once.
struct SourcePlan {
  std::string name;             // for people, without secrets; as written where a type sets none
  entropy::Claim claim;         // the operator's, or the type's
  std::string note = {};        // what an operator should know; may be empty
  std::string path = {};        // of the device or file that it opens; empty: none
  std::string other_path = {};  // of the same, where that name may not be there
  std::string command = {};     // that it runs; empty: none
  std::vector<std::string> reads = {};  // files that neither `path` nor an option names
  bool foreign_library = false;         // it loads a library that opens what it wants
  // Why what it gives is nobody's new entropy, where its name alone tells; empty otherwise.
  std::string lookalike = {};
  // Of one that is read, by a thread that tests what it gives; or
  std::function<std::unique_ptr<Source>()> make = {};
  // of one that runs itself: peers push to it, or it asks other nodes.
  std::function<std::unique_ptr<RunningSource>(const SourceServices&)> run = {};
  // Adds what would keep it from ever giving anything; beside `path`, which is looked at for all.
  // Null: nothing that can be seen.
  std::function<void(spec::Obstacles&)> look = {};
};

// Whether this machine can have a source of some type, and why (not), in a few words.
struct Availability {
  bool here = false;
  std::string why;
};

struct SourceType {
  std::string_view name;
  std::string_view target = {};  // what must follow its ':', for people; empty: nothing; "[X]": may
  entropy::Claim usual;  // where the operator makes none: a claim that is too high is a lie to
                         // every client, and one that is too low only costs time
  std::string_view options = {};  // beside h and credit
  std::string_view summary;       // for --help
  // Throws Failure for a value that is wrong. Options that the type does not know have been
  // refused.
  SourcePlan (*read)(const spec::Spec& spec, entropy::Claim usual);
  // Null: any machine can; whether one is there depends on its target.
  Availability (*available)() = nullptr;
  // Of one whose target may be a URL: gives the query of that back to it, which was read as
  // options, and hides its secrets in `text`. Before anything is said of the name.
  spec::Spec (*as_url)(spec::Spec spec) = nullptr;
  bool by_default = false;  // where it is here: worth trying without being asked
  bool host_seed = false;   // the host of this guest speaks there (vmport.h)
};

// Of a type that reads one path of this machine.
inline Availability by_path(const char* path) {
  const bool here = ::access(path, F_OK) == 0;
  return {here, here ? std::string(path) + " is there" : with_errno(path, errno)};
}

// Adds that a socket or a port is not there now, if it is not: who makes it may do so later.
inline void look_for(const std::string& path, spec::Obstacles& found) {
  if (::access(path.c_str(), F_OK) == 0) return;
  found.push_back({with_errno(path, errno), "", spec::Obstacle::Kind::absent});
}

// Of peers without keys.
inline constexpr std::string_view unauthenticated =
    "it knows no keys: whoever answers there decides what comes, and on the way anybody can read "
    "it";

}  // namespace qanat::sources
