// Talking to a running node through its control socket.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>

#include "base/clock.h"

namespace qanat::cli {

// The directory that `--state` names, or the default.
std::string state_path(const std::string& option);
// Where `qanat feed` keeps its state unless told otherwise: beside a hub's on the same machine.
std::string default_feed_state();

// nullopt when no node runs there; throws Failure when one does and refuses. One that says "not
// yet" (503) is asked again until `patience` has passed.
std::optional<boost::json::value> ask_node(const std::string& state, const std::string& method,
                                           const std::string& path,
                                           const boost::json::object& request = {},
                                           Duration patience = Duration::zero());
// The same, but no node is a Failure that says where it was looked for.
boost::json::value ask_running_node(const std::string& state, const std::string& method,
                                    const std::string& path,
                                    const boost::json::object& request = {});

}  // namespace qanat::cli
