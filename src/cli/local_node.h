// Bytes from another node, or from the one that runs here.
#pragma once

#include <string>

#include "peers/http_client.h"

namespace qanat::cli {

// `from`: an upstream argument; empty: the node of the state directory `state` (empty: the usual).
// Throws Failure.
peers::Endpoint endpoint_for(const std::string& from, const std::string& state);
// What to tell a person when a request failed: a node's hints name the API's parameters, a person
// here has options.
std::string explain(const peers::ClientError& problem, const std::string& from);
// While we are in line a hub is silent; after that it answers within this time.
inline constexpr Duration beyond_the_line = std::chrono::seconds(30);
// So many full-entropy bytes, all of them; stays in line for `wait`, as the API writes it. Throws
// Failure.
SecretBytes draw_full(const std::string& from, const std::string& state, std::size_t bytes,
                      const std::string& wait);

}  // namespace qanat::cli
