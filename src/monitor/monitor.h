// The process that keeps what the node must not have: adding entropy to the kernel, opening the
// configured devices and files, starting the configured commands, ports below 1024. It reads
// nothing that comes from a network. docs/architecture.md, Two processes.
#pragma once

#include "monitor/desk.h"

namespace qanat::monitor {

// Serves the node at the other end of `node`, its parent, until that ends. `reread`: the grants of
// the configuration as it is by then. In a process of its own, with one thread. Never throws.
void run(UniqueFd node, const Grants& grants, std::function<Grants()> reread) noexcept;

}  // namespace qanat::monitor
