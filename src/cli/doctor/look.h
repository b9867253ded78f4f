// Looks at this machine for `qanat doctor`. None changes anything, or needs root; each may block
// where a disk, a name server or a hub does not answer: the caller waits with a deadline.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/doctor/picture.h"
#include "node/config.h"

namespace qanat::cli::doctor {

// look_machine.cpp
Kernel look_at_kernel();
HardwareRng look_at_hardware_rng();
Account look_at_account();
// Takes `moment`, in which a jump would be seen.
Time look_at_time(Duration moment);
Guest look_at_guest();
std::vector<Process> look_at_processes();
StateDirectory look_at_state(const std::string& path);

// look_node.cpp
// Beside what is `wrong` in its text, what keeps a node of this state directory from starting. What
// the looks at the directory and at ports say is left to them.
Configuration look_at_configuration(const std::string& path, const node::Config& config,
                                    const std::string& state, node::Problems wrong);
// Those on which its outlets listen.
std::vector<Port> look_at_ports(const node::Config& config);

// Whom this machine asks: other nodes, and those of other kinds that a TCP connection reaches.
struct Asked {
  std::string name;     // without secrets
  std::string text;     // as a source; empty where its file could not be read
  Upstream unreadable;  // and why
};
// `arguments`: as for `qanat feed`. Throws UsageError for one that names no node.
std::vector<Asked> upstreams_of(const node::Config& config,
                                const std::vector<std::string>& arguments);
// Asks a node as whom it would be asked; draws nothing. Ends within `limit`, or a little later.
Upstream look_at_upstream(const Asked& asked, Duration limit);
// Of the directory; nothing when none runs there.
std::vector<RunningNode> look_at_node(const std::string& state);

}  // namespace qanat::cli::doctor
