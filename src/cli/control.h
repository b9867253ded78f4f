// Talking to a running node through its control socket.
#pragma once

#include <sys/types.h>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/waker.h"

namespace qanat::cli {

// The directory that `--state` names, or the default.
std::string state_path(const std::string& option);
// The same for a feed.
std::string feed_state_path(const std::string& option);
// The same, for what changes whom a hub lets in. Throws Failure where the default is nobody's: no
// node runs there, and this machine's hub is another account's.
std::string hub_state_path(const std::string& option);
// Where `qanat feed` keeps its state unless told otherwise: beside a hub's on the same machine.
std::string default_feed_state();

// A node that does not answer is given up after this time.
inline constexpr Duration node_patience = std::chrono::seconds(3);

// The process that serves the directory's control socket; nullopt when no node runs there. Makes
// nothing. Throws Failure when the socket may not be used by this account, and when a node runs
// that has lost its directory.
std::optional<pid_t> find_node(const std::string& state);
// Throws Failure unless there is a state directory: for what does not make one.
void require_state(const std::string& state);
// Throws Failure: no node runs there, and where it was looked for.
[[noreturn]] void no_node(const std::string& state);

// nullopt when no node runs there; throws Failure when one does and refuses, or does not answer: it
// does nothing then, not even later. One that says "not yet" (503) is asked again until `patience`
// has passed. `stop`, woken, ends it as a Failure.
std::optional<std::string> ask_for_text(const std::string& state, const std::string& method,
                                        const std::string& path,
                                        const boost::json::object& request = {},
                                        Duration patience = Duration::zero(),
                                        const Waker* stop = nullptr);
std::optional<boost::json::value> ask_node(const std::string& state, const std::string& method,
                                           const std::string& path,
                                           const boost::json::object& request = {},
                                           Duration patience = Duration::zero(),
                                           const Waker* stop = nullptr);
// The same, but no node is a Failure that says where it was looked for.
boost::json::value ask_running_node(const std::string& state, const std::string& method,
                                    const std::string& path,
                                    const boost::json::object& request = {});

}  // namespace qanat::cli
