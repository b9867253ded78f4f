// All types of sources, by name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sources/runner/origins.h"
#include "sources/type.h"

namespace qanat::sources {

// Throws Failure for an unknown type, a missing target, an unknown option or a bad value, and says
// what would be right. A join string and the URL of a node are sources, too.
SourcePlan plan_source(const std::string& text);
std::unique_ptr<RunningSource> make_source(const std::string& text, const SourceServices& services);

// For `qanat check` and `qanat sources`: the same, as it would be counted were it opened now.
struct SourceDescription {
  std::string name;  // without secrets
  double h = 0;      // claimed min-entropy, bits per byte
  bool credit = true;
  std::string note;     // what an operator should know; may be empty
  bool insist = false;  // credit=insist
};
SourceDescription describe_source(const std::string& text);
// Why the device, file, instruction or service of a source is not there now; empty when it is, or
// that cannot be told by looking.
std::string absence_of_source(const std::string& text);
// What would keep it from ever giving anything, or is not there now.
spec::Obstacles obstacles_of_source(const std::string& text);
// What it would read from, were it opened now; nullopt where that cannot be told.
std::optional<Origin> origin_of_source(const std::string& text);
// The bare source, for `qanat sources` to probe. Null for one that runs itself.
std::unique_ptr<Source> make_probe(const std::string& text);

// Whether it names a host's end of a guest's port (sources/vmport.h).
bool is_host_seed(const std::string& text);

// The sources of this machine that are worth trying, as `qanat serve` uses without arguments.
std::vector<std::string> default_sources();
// Every type, in the order of --help.
struct TypeDescription {
  std::string name;
  std::string target;  // what follows its ':', "[X]" where it may
  std::string summary;
  double h = 0;  // claimed where the operator claims nothing, bits per byte
  bool credit = true;
  Availability availability;
};
std::vector<TypeDescription> describe_types();
// A line for each type: "jitter  CPU timing noise (h=0.5)".
std::vector<std::string> source_help();

}  // namespace qanat::sources
