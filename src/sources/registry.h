// All kinds of sources, by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sources/runner/running_source.h"
#include "sources/upstream/upstream.h"
#include "spec/spec.h"

namespace qanat::sources {

// For `qanat check` and `qanat sources`.
struct SourceDescription {
  std::string name;  // without secrets
  double h = 0;      // claimed min-entropy, bits per byte
  bool credit = true;
  std::string note;     // what an operator should know; may be empty
  bool insist = false;  // credit=insist
};
// Why the device or file of a source is not there now; empty when it is, or has none.
std::string absence_of_source(const std::string& text);
// What it would read from, were it opened now; nullopt where that cannot be told.
std::optional<Origin> origin_of_source(const std::string& text);

// Each throws Failure for an unknown type, a missing target, an unknown option or a bad value, and
// says what would be right. A join string is a source too.
SourceDescription describe_source(const std::string& text);
std::unique_ptr<RunningSource> make_source(const std::string& text, const SourceServices& services);

// Whether a text names another node: a join string or a URL.
bool is_upstream(const std::string& text);
// Whether it names a host's end of a guest's port (sources/vmport.h).
bool is_host_seed(const std::string& text);
// Several upstreams as one source (sources/upstream/upstream.h).
std::unique_ptr<RunningSource> make_upstream(const std::vector<std::string>& texts,
                                             UpstreamSettings settings,
                                             const SourceServices& services);
// A join string, "https://HOST:PORT[?pin=HEX|ca=FILE&cert=FILE&key=FILE]" or "http://HOST:PORT".
peers::Endpoint parse_upstream(const std::string& text);
// "https://HOST:PORT as NAME", for logs and status: never the text itself, which may be a secret.
std::string upstream_name(const std::string& text);

// The sources of this machine that are worth trying, as `qanat serve` uses without arguments.
std::vector<std::string> default_sources();
// A line for each type: "jitter    CPU timing noise (h=0.5)".
std::vector<std::string> source_help();

// The bare source, for `qanat sources` to probe. Null for an upstream.
std::unique_ptr<class Source> make_probe(const std::string& text);

}  // namespace qanat::sources
