// Other nodes, as they are named: join strings and URLs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sources/type.h"
#include "sources/upstream/upstream.h"

namespace qanat::sources {

// Whether a text names another node.
bool is_upstream(const std::string& text);
// A join string, "https://HOST:PORT[?pin=HEX|ca=FILE&cert=FILE&key=FILE]" or "http://HOST:PORT".
// Throws Failure for anything else, as all of these do.
peers::Endpoint parse_upstream(const std::string& text);
// "https://HOST:PORT as NAME", for logs and status: never the text itself, which may be a secret.
std::string upstream_name(const std::string& text);
// Several as one source (upstream.h).
std::unique_ptr<RunningSource> make_upstream(const std::vector<std::string>& texts,
                                             UpstreamSettings settings,
                                             const SourceServices& services);
// One.
SourcePlan plan_upstream(const std::string& text);

}  // namespace qanat::sources
